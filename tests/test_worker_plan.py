"""What each worker gets: ports are dealt out whole, and what cannot be dealt out is refused with the cure."""

from __future__ import annotations

import pytest

from sbc_sim.cli import main
from sbc_sim.settings import PortRange, Settings, SettingsError, load
from sbc_sim.worker_plan import Share, all_ports, shares


def plan(**settings: str) -> tuple[Share, ...]:
    """Deal out what these settings say, by their names with a double underscore."""
    loaded = load({name.replace("__", "."): value for name, value in settings.items()}, {})
    return shares(loaded.settings, loaded.origins)


def media(**settings: str) -> list[str]:
    return [share.media_ports for share in plan(**settings)]


def ports_of(text: str) -> set[int]:
    first, _, last = text.partition("-")
    return set(range(int(first), int(last or first) + 1))


def test_two_workers_share_the_usual_ports_evenly_and_have_the_two_ports_after_the_common_one() -> None:
    one, two = plan(workers__count="2")
    assert (one.number, one.count, one.sip_port, one.media_ports) == (1, 2, 5062, "31000-31009")
    assert (two.number, two.count, two.sip_port, two.media_ports) == (2, 2, 5063, "31010-31019")


@pytest.mark.parametrize("count", [2, 3, 7, 10])
@pytest.mark.parametrize("ports", ["31000-31019", "31001-31022"])
def test_no_port_belongs_to_two_workers_and_shares_differ_by_one_call_at_most(count: int, ports: str) -> None:
    dealt = [ports_of(text) for text in media(workers__count=str(count), media__ports=ports)]
    assert sum(map(len, dealt)) == len(set().union(*dealt)) == 20
    assert set().union(*dealt) <= ports_of(ports)
    assert max(map(len, dealt)) - min(map(len, dealt)) <= 2
    assert all(min(share) % 2 == 0 and len(share) % 2 == 0 for share in dealt)


def test_in_mux_mode_each_worker_has_one_port() -> None:
    assert media(workers__count="3", media__mode="mux") == ["31000", "31001", "31002"]


def test_any_free_ports_are_any_free_ports_for_each() -> None:
    dealt = plan(workers__count="2", media__ports="0", sip__listen="127.0.0.1:0")
    assert [(share.media_ports, share.sip_port) for share in dealt] == [("0", 0), ("0", 0)]


def test_a_region_with_media_ports_of_its_own_deals_them_out_too() -> None:
    loaded = load({"workers.count": "2", "regions.frankfurt.media_ports": "32000-32007"}, {})
    assert [share.region_media["frankfurt"] for share in shares(loaded.settings)] == ["32000-32003", "32004-32007"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"media__ports": "31000-31003"}, ("media.ports (flag", "31000-31003 is too few for 3 workers", "make it 31000-31005 or larger")),
        ({"media__ports": "31000-31001", "media__mode": "mux"}, ("one port each", "make it 31000-31002 or larger")),
        ({"workers__sip_ports": "5070-5071"}, ("workers.sip_ports (flag", "too few for 3 workers", "make it 5070-5072")),
        ({"workers__sip_ports": "5060-5064"}, ("workers.sip_ports (flag", "port 5061 of 5060-5062 is that of sip.listen")),
        ({"http__listen": "127.0.0.1:5063"}, ("workers.sip_ports (default)", "port 5063 of 5062-5064 is that of http.listen")),
        ({"telephony__tls_listen": "127.0.0.1:5062"}, ("that of telephony.tls_listen",)),
        ({"sip__listen": "0.0.0.0:65534"}, ("beyond 65535", "set workers.sip_ports to 3 ports, or to 0")),
    ],
)
def test_what_cannot_be_dealt_out_is_refused_with_its_origin_and_the_cure(settings: dict[str, str], words: tuple[str, ...]) -> None:
    with pytest.raises(SettingsError) as refused:
        plan(workers__count="3", **settings)
    assert all(word in str(refused.value) for word in words), refused.value


def test_a_region_on_another_address_than_the_common_listener_is_refused_for_its_contact_would_lead_nowhere() -> None:
    settings = {"sip.listen": "127.0.0.1:5061", "regions.frankfurt.listen": "127.0.0.2:5061"}
    with pytest.raises(
        SettingsError, match=r"regions\.frankfurt\.listen .*127\.0\.0\.2 would not lead: set sip\.listen to 0\.0\.0\.0:PORT"
    ):
        plan(workers__count="2", **settings)


def test_partners_are_told_the_ports_of_all_workers() -> None:
    assert all_ports(PortRange(31000, 31019), (31000, 31009), "ports", 2) == (31000, 31019)
    assert all_ports(PortRange(31000, 31019), (31001, 31001), "mux", 2) == (31000, 31001)
    assert all_ports(PortRange(0, 0), (0, 0), "ports", 2) == (0, 0)


def test_one_worker_is_what_there_is_without_the_setting() -> None:
    assert Settings().workers.count == 1


def test_config_check_refuses_what_the_workers_cannot_share(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["config", "check", "--workers-count", "2", "--media-ports", "31000-31001"])
    assert ended.value.code == 2
    assert "media.ports (flag --media-ports): 31000-31001 is too few for 2 workers" in capsys.readouterr().err
