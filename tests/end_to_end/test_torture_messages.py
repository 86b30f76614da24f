"""RFC 4475 over a real TLS connection: each message gets its answer or a clean close, and the server goes on taking calls."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.end_to_end import raw_sip
from tests.end_to_end.clients.call import ECHO_UUI
from tests.end_to_end.raw_sip import RawSip, connected
from tests.end_to_end.server import ROOT, Server, serving
from tests.end_to_end.torture import EXPECTED, HEADERS, After, Owed

pytestmark = pytest.mark.timeout(180)

CORPUS = Path(os.environ.get("SBC_SIM_RFC4475", ROOT.parent / "shared" / "rfc4475"))


@pytest.fixture(scope="module")
def hasty_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that waits 2 s, not 30 s, for the rest of a message, so that an endless one ends soon."""
    with serving(tmp_path_factory.mktemp("sbc-sim"), LIMITS__MESSAGE_SECONDS="2") as server:
        yield server


@pytest.fixture(scope="module")
def corpus() -> Path:
    if not CORPUS.is_dir():
        pytest.skip(f"the messages of RFC 4475 (NAME.dat) are not in {CORPUS}; SBC_SIM_RFC4475 names their folder")
    return CORPUS


def take(raw: RawSip, name: str, owed: Owed) -> None:
    """Read what is owed and nothing else, to the end of the connection or the answer to a question put behind it."""
    for index, status in enumerate(owed.statuses):
        answer = raw.final()
        assert answer is not None, f"closed instead of {status}"
        assert answer.status == status, answer.head
        assert all(answer.header(header) is not None for header in HEADERS.get(status, ())), answer.head
        if index == len(owed.statuses) - 1:
            assert owed.rule in (answer.header("Warning") or ""), answer.head
    if owed.after is After.OPEN:
        raw.send(raw_sip.request("OPTIONS", f"after-{name}"))
        probe = raw.final()
        assert probe is not None, "closed, although the next message could have been found"
        assert (probe.status, probe.header("Call-ID")) == (200, f"after-{name}@partner.example"), probe.head
    else:
        assert raw.final() is None


def test_every_message_of_the_rfc_is_in_the_table(corpus: Path) -> None:
    assert {path.stem for path in corpus.glob("*.dat")} == set(EXPECTED)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_torture_message_gets_what_is_owed_to_it(name: str, corpus: Path, hasty_server: Server) -> None:
    owed = EXPECTED[name]
    with connected(hasty_server.sip_port, hasty_server.ca) as raw:
        raw.send((corpus / f"{name}.dat").read_bytes())
        if owed.also_send:
            raw.send(owed.also_send)
        take(raw, name, owed)


def test_a_call_goes_through_amid_every_torture_at_once(corpus: Path, hasty_server: Server) -> None:
    with ExitStack() as connections:
        for name in EXPECTED:
            raw = connections.enter_context(connected(hasty_server.sip_port, hasty_server.ca))
            raw.send((corpus / f"{name}.dat").read_bytes())
        call = connections.enter_context(connected(hasty_server.sip_port, hasty_server.ca))
        call.send(raw_sip.invite("amid", ECHO_UUI))
        answer = call.final()
        assert answer is not None
        assert answer.status == 200, answer.head
        to_tag = (answer.header("To") or "").partition(">")[2]
        call.send(raw_sip.request("ACK", "amid", to_tag=to_tag))
        call.send(raw_sip.request("BYE", "amid", cseq=2, to_tag=to_tag))
        bye = call.final()
        assert bye is not None
        assert (bye.status, bye.header("CSeq")) == (200, "2 BYE")
