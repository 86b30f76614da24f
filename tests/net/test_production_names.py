"""Names of Salesforce's production are neither resolved nor dialled (requirement 145): real diallers, and a resolver that writes down."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet import reactor as _reactor
from twisted.internet.interfaces import IHostnameResolver, IHostResolution
from twisted.internet.threads import blockingCallFromThread
from zope.interface import implementer

from sbc_sim.calls.outputs import Connect
from sbc_sim.calls.production import DIAL_WORDS, is_production, not_dialled
from sbc_sim.calls.region import PUBLIC_HOST, PUBLIC_REGIONS
from sbc_sim.cli import main
from sbc_sim.client import Client
from sbc_sim.client import _is_production as client_says
from sbc_sim.commands.reachability import check_advertised
from sbc_sim.commands.rehearse_against import target_of
from sbc_sim.commands.shared import Unusable
from sbc_sim.net.shell import Shell
from sbc_sim.net.sip_tls import SipDialler
from sbc_sim.net.tls_contexts import ClientTls
from sbc_sim.partner.rest import RestRequest
from sbc_sim.placing import PlacingError
from sbc_sim.rehearsing import ask
from sbc_sim.settings import SettingsError, load
from sbc_sim.sip.peer import TlsProblem

reactor: Any = _reactor
FRANKFURT = PUBLIC_HOST.format(code="yzvdd4")
NAMES = [
    *(PUBLIC_HOST.format(code=code) for _, _, code in PUBLIC_REGIONS),
    "salesforce-ccaas.com",
    "salesforce-ccaas.com.",
    f"{FRANKFURT}.",
    FRANKFURT.upper(),
    f" {FRANKFURT}",
    FRANKFURT.replace(".", "\u3002"),
    FRANKFURT.replace("s", "\uff53", 1).replace("salesforce", "\uff53alesforce"),
    FRANKFURT.replace("salesforce", "sales\u00adforce"),
    FRANKFURT.replace(".", "\uff0e"),
]
ORDINARY = [
    "partner.invalid",
    "notsalesforce-ccaas.com",
    "notsalesforce-ccaas.com.invalid",
    "salesforce-ccaas.com.partner.invalid",
]


@implementer(IHostResolution)
class _Resolution:
    def __init__(self, name: str) -> None:
        self.name = name

    def cancel(self) -> None:
        """Nothing is under way."""


@implementer(IHostnameResolver)
class WritingResolver:
    """Writes down what it is asked for, and knows no name."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def resolveHostName(self, receiver: Any, hostName: str, *arguments: Any, **more: Any) -> _Resolution:
        self.asked.append(hostName)
        resolution = _Resolution(hostName)
        receiver.resolutionBegan(resolution)
        receiver.resolutionComplete()
        return resolution


@pytest.fixture
def resolver(reactor_thread: None) -> Iterator[WritingResolver]:
    writing = WritingResolver()
    before = blockingCallFromThread(reactor, reactor.installNameResolver, writing)
    yield writing
    blockingCallFromThread(reactor, reactor.installNameResolver, before)


def dialled(lab: Any, host: str, production: bool = False) -> Any:
    """What the core is told of an attempt to connect."""

    def begin() -> None:
        dialler = SipDialler(reactor, ClientTls(), production=production)
        shell = Shell(reactor, lab.core, lab.media, lab.journal.append, dialler=dialler)
        shell.ask(lambda now: [Connect(-1, host, 5061, "")])

    lab.run(begin)
    return lab.core.refusal()


@pytest.mark.parametrize("name", NAMES)
def test_no_name_of_production_is_asked_for_and_the_refusal_says_why(lab: Any, resolver: WritingResolver, name: str) -> None:
    failure = dialled(lab, name)
    assert resolver.asked == []
    assert failure.problem is TlsProblem.UNREACHABLE
    assert "is a name of Salesforce's production: it is neither resolved nor dialled" in failure.detail
    assert DIAL_WORDS in failure.detail


@pytest.mark.parametrize("name", ORDINARY)
def test_every_other_name_is_asked_for(lab: Any, resolver: WritingResolver, name: str) -> None:
    dialled(lab, name)
    assert resolver.asked == [name]


def test_whoever_says_so_in_as_many_words_gets_it_asked_for(lab: Any, resolver: WritingResolver) -> None:
    dialled(lab, FRANKFURT, production=True)
    assert resolver.asked == [FRANKFURT]


def test_the_server_name_may_be_one_of_production_when_the_address_is_not(lab: Any, resolver: WritingResolver, unused_port: int) -> None:
    lab.run(lambda: Shell(reactor, lab.core, lab.media, lab.journal.append, dialler=SipDialler(reactor, ClientTls())).ask(
        lambda now: [Connect(-1, "127.0.0.1", unused_port, FRANKFURT)]
    ))  # fmt: skip
    assert "production" not in lab.core.refusal().detail
    assert FRANKFURT not in resolver.asked


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@pytest.mark.parametrize("words", ["yes", "true", "I know", DIAL_WORDS.lower()])
def test_the_setting_takes_its_words_and_no_others(words: str) -> None:
    with pytest.raises(SettingsError, match=r"sip\.dial_production"):
        load({"sip.dial_production": words}, {})
    assert load({"sip.dial_production": DIAL_WORDS}, {}).settings.sip.dial_production == DIAL_WORDS


@pytest.mark.parametrize("key", ["escalation.return_uri", "partners.acme.return_uri", "partners.acme.by_region.frankfurt.return_uri"])
def test_settings_that_give_calls_back_to_it_are_refused_at_start_unless_it_may_be_dialled(key: str) -> None:
    given = {key: f"sips:rep@{FRANKFURT}:5061"}
    with pytest.raises(SettingsError) as refused:
        load(given, {})
    assert str(refused.value).startswith(key)
    assert not_dialled(FRANKFURT) in str(refused.value)
    load({**given, "sip.dial_production": DIAL_WORDS}, {})
    load({key: "sips:rep@notsalesforce-ccaas.com"}, {})


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names that the C library was asked for, which knows none."""
    asked: list[str] = []

    def getaddrinfo(host: Any, *arguments: Any, **more: Any) -> Any:
        asked.append(str(host))
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


def test_the_call_command_refuses_it_in_a_sentence(looked_up: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["call", f"tls:{FRANKFURT}:5061"])
    assert ended.value.code == 3
    assert looked_up == []
    assert f"{FRANKFURT} is a name of Salesforce's production" in capsys.readouterr().err


def test_the_call_command_asks_for_it_once_the_setting_has_the_words(looked_up: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SBC_SIM_SIP__DIAL_PRODUCTION", DIAL_WORDS)
    with pytest.raises(SystemExit):
        main(["call", f"tls:{FRANKFURT}:5061"])
    assert looked_up == [FRANKFURT]


def test_doctor_resolves_no_name_of_production_that_is_advertised(looked_up: list[str]) -> None:
    check = check_advertised("SIP address", "sip.advertised", FRANKFURT, 5061)
    assert (check.status, looked_up) == ("fail", [])
    assert "a name of Salesforce's production, which is not resolved here" in check.seen
    check_advertised("SIP address", "sip.advertised", "partner.invalid", 5061)
    assert looked_up == ["partner.invalid"]


@pytest.mark.parametrize("api", [f"https://{FRANKFURT}", f"{FRANKFURT}:8061/x", "http://Salesforce-CCaaS.com."])
def test_no_api_is_asked_there(api: str) -> None:
    with pytest.raises(ValueError, match="production"):
        Client(api, environment={})


def test_copies_go_to_addresses_alone() -> None:
    with pytest.raises(SettingsError, match="not an IP address"):
        load({"hep.target": f"{FRANKFURT}:9060"}, {})


def test_what_only_looks_like_it_is_not_production() -> None:
    assert [name for name in (*ORDINARY, "127.0.0.1", "", "ccaas.com") if is_production(name)] == []


@pytest.mark.parametrize(("name", "theirs"), [*((name, True) for name in NAMES), *((name, False) for name in ORDINARY)])
def test_the_core_the_client_that_stands_alone_and_the_rehearsal_tell_them_by_one_table(name: str, theirs: bool) -> None:
    assert (is_production(name), client_says(name)) == (theirs, theirs)
    if theirs:
        with pytest.raises(Unusable, match="is production"):
            target_of(f"tls:{name}:5061")
    else:
        assert target_of(f"tls:{name}:5061") == (name, 5061)


@pytest.mark.parametrize("name", [FRANKFURT, f"{FRANKFURT.upper()}."])
def test_a_rehearsal_makes_no_requests_to_production(looked_up: list[str], name: str) -> None:
    with pytest.raises(PlacingError, match="is a name of Salesforce's production"):
        ask(f"https://{name}/telephony/v1", RestRequest("POST", "/voiceCalls", {}), "token")
    assert looked_up == []


def test_a_rehearsal_asks_every_other_name(looked_up: list[str]) -> None:
    with pytest.raises(OSError, match="no such name"):
        ask("https://partner.invalid/telephony/v1", RestRequest("POST", "/voiceCalls", {}), "token")
    assert looked_up == ["partner.invalid"]
