"""What `serve` says about what happens: one line each, with nothing of a secret in it."""

from __future__ import annotations

import io
import json

import pytest
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

from sbc_sim.commands.call_rows import attempt_row
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.logs import LineObserver
from sbc_sim.terminal import journal_line

JWT = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiIwMEQwMDAwMDAwMDAwMDEifQ.c2lnbmF0dXJlLXRoYXQtbm9ib2R5LXNob3VsZC1yZWFk"
HEX = json.dumps({"orgId": "00D000000000001", "jwt": JWT}).encode().hex()
SECRETS = (JWT.rpartition(".")[2], JWT.rpartition(".")[2].encode().hex())
PEER = {"host": "2001:db8::1", "port": 40001}


def kinds(text: str) -> list[Entry]:
    """Every kind of entry that is told, with a text wherever the partner has its say."""
    uri = f"sip:x@sbc?User-to-User={text};encoding=hex"
    finding = {"rule": "SBC-SIP-001", "status": "fail", "detail": f"saw {text}"}
    return [
        Entry(1.0, Kind.CALL_STARTED, "c1", {"from": f'"{text}" <{uri}>', "requestUri": uri, "peer": "192.0.2.1:40001"}),
        Entry(1.0, Kind.VERDICT, "c1", {"status": "fail", "findings": [finding]}),
        Entry(1.0, Kind.REJECTED, None, {"method": text, "status": 501, "rule": "SBC-SIP-009"}),
        Entry(1.0, Kind.PARSE_ERROR, None, {"detail": f"cannot read {text}"}),
        Entry(1.0, Kind.ATTEMPT, None, {"peer": PEER, "detail": f"came with {uri}", "findings": [finding]}),
    ]


@pytest.mark.parametrize("text", [JWT, HEX], ids=["plain", "hex"])
def test_no_line_about_the_journal_holds_a_token(text: str) -> None:
    for entry in kinds(text):
        told = journal_line(entry)
        assert told is not None
        assert "masked]" in told[1], entry.kind
        assert not any(secret in told[1] for secret in SECRETS), entry.kind


@pytest.mark.parametrize("as_json", [True, False])
def test_no_line_of_the_log_holds_a_token_whoever_wrote_it(as_json: bool) -> None:
    stream = io.StringIO()
    log = Logger(namespace="sbc_sim.test", observer=LineObserver(stream, "info", as_json))
    try:
        raise ValueError(f"bad value {JWT}")
    except ValueError:
        log.emit(LogLevel.error, "failed on {text}", text=HEX, log_failure=Failure())
    assert "ValueError: bad value eyJh" in stream.getvalue()
    assert stream.getvalue().count("masked]") >= 2
    assert not any(secret in stream.getvalue() for secret in SECRETS)


def test_an_ipv6_address_stands_in_brackets() -> None:
    told = journal_line(kinds("x")[-1])
    assert told is not None
    assert told[1].startswith("no call from [2001:db8::1]:40001: ")


def test_a_connection_that_we_dialled_is_told_as_one_to_the_partner() -> None:
    entry = Entry(1.0, Kind.ATTEMPT, None, {"peer": {**PEER, "dialled": True}, "detail": "nothing listens on that port"})
    told = journal_line(entry)
    assert told is not None
    assert told[1].startswith("no call to [2001:db8::1]:40001: nothing listens on that port")
    assert "no call to 2001:db8::1: nothing listens" in attempt_row(entry.data)
