"""sipmessage, somebody else's parser, reads the torture messages too: where it can, both read the same."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sbc_sim.sip.message import Request, read_message
from tests.end_to_end.server import ROOT

sipmessage = pytest.importorskip("sipmessage")

CORPUS = Path(os.environ.get("SBC_SIM_RFC4475", ROOT.parent / "shared" / "rfc4475"))
FEWEST = 30  # of the 49 messages, sipmessage 0.7 reads 37: with far fewer this would prove little


def opinion(octets: bytes) -> tuple[str | None, str, str] | None:
    """Method (None for a response), Call-ID and CSeq as sipmessage reads them; None when it cannot."""
    try:
        message = sipmessage.Message.parse(octets)
        return getattr(message, "method", None), message.call_id, str(message.cseq)
    except (ValueError, KeyError):  # its ways to say no
        return None


@pytest.fixture(scope="module")
def messages() -> dict[str, bytes]:
    if not CORPUS.is_dir():
        pytest.skip(f"the messages of RFC 4475 (NAME.dat) are not in {CORPUS}; SBC_SIM_RFC4475 names their folder")
    return {path.stem: path.read_bytes() for path in sorted(CORPUS.glob("*.dat"))}


def test_method_call_id_and_cseq_are_read_the_same_by_both(messages: dict[str, bytes]) -> None:
    agreed = 0
    for name, octets in messages.items():
        if (theirs := opinion(octets)) is None:
            continue
        ours = read_message(octets)
        method = ours.message.method if isinstance(ours.message, Request) else None
        cseq = " ".join((ours.headers.first("CSeq") or "").split())
        assert (method, ours.headers.first("Call-ID"), cseq) == theirs, name
        agreed += 1
    assert agreed >= FEWEST
