"""RFC 4475: what each of its messages reads as, parsed whole and as a stream."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import sipmessage

from sbc_sim.sip.errors import Malformation, MalformedMessage
from sbc_sim.sip.headers import NameAddr, Via
from sbc_sim.sip.message import Request, check_request, check_response, parse_message, read_message, request_uri
from sbc_sim.sip.stream import MessageStream, StreamError

FOLDER = Path(os.environ.get("SBC_SIM_RFC4475") or Path(__file__).parents[2].parent / "shared" / "rfc4475")
needs_messages = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"the messages of RFC 4475 are not in {FOLDER}; set SBC_SIM_RFC4475")

FINE = None
EXPECTED: dict[str, Malformation | None] = {
    "badaspec": FINE,  # blanks inside <>: read liberally
    "badbranch": FINE,  # branch is the bare cookie: the old matching rule
    "baddate": FINE,  # Date is not needed
    "baddn": FINE,  # unquoted comma in a display name: read liberally
    "badinv01": Malformation.BAD_HEADER,
    "badvers": Malformation.BAD_VERSION,
    "bcast": FINE,
    "bext01": FINE,
    "bigcode": Malformation.BAD_START_LINE,
    "clerr": Malformation.CONTENT_LENGTH_BAD,
    "cparam01": FINE,
    "cparam02": FINE,
    "dblreq": FINE,
    "esc01": FINE,
    "esc02": FINE,
    "escnull": FINE,
    "escruri": FINE,
    "insuf": Malformation.MISSING_HEADER,
    "intmeth": FINE,
    "inv2543": FINE,
    "invut": FINE,
    "longreq": FINE,
    "ltgtruri": Malformation.BAD_REQUEST_URI,
    "lwsdisp": FINE,
    "lwsruri": Malformation.BAD_START_LINE,
    "lwsstart": Malformation.BAD_START_LINE,
    "mcl01": Malformation.CONTENT_LENGTH_DUPLICATE,
    "mismatch01": Malformation.CSEQ_MISMATCH,
    "mismatch02": Malformation.CSEQ_MISMATCH,
    "mpart01": FINE,
    "multi01": Malformation.DUPLICATE_HEADER,
    "ncl": Malformation.CONTENT_LENGTH_BAD,
    "noreason": FINE,
    "novelsc": Malformation.BAD_REQUEST_URI,
    "quotbal": Malformation.BAD_HEADER,
    "regaut01": FINE,
    "regbadct": FINE,
    "regescrt": FINE,
    "scalar02": Malformation.CSEQ_RANGE,
    "scalarlg": Malformation.CSEQ_RANGE,
    "sdp01": FINE,
    "semiuri": FINE,
    "transports": FINE,
    "trws": Malformation.BAD_START_LINE,
    "unkscm": Malformation.BAD_REQUEST_URI,
    "unksm2": FINE,
    "unreason": FINE,
    "wsinv": FINE,
    "zeromf": FINE,
}
FATAL_ON_A_STREAM = {
    "inv2543": Malformation.CONTENT_LENGTH_MISSING,
    "mcl01": Malformation.CONTENT_LENGTH_DUPLICATE,
    "ncl": Malformation.CONTENT_LENGTH_BAD,
}


def octets(name: str) -> bytes:
    return (FOLDER / f"{name}.dat").read_bytes()


def verdict(name: str) -> Malformation | None:
    try:
        message = parse_message(octets(name))
        if isinstance(message, Request):
            check_request(message)
            request_uri(message)
        else:
            check_response(message)
    except MalformedMessage as error:
        return error.malformation
    return None


def request(name: str) -> Request:
    message = parse_message(octets(name))
    assert isinstance(message, Request)
    return message


@needs_messages
def test_every_message_of_the_folder_has_an_expectation() -> None:
    assert {path.stem for path in FOLDER.glob("*.dat")} == set(EXPECTED)


@needs_messages
@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_torture_message_is_read_or_refused_as_expected(name: str) -> None:
    assert verdict(name) is EXPECTED[name]


@needs_messages
@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_torture_message_gives_the_same_events_whole_and_in_single_octets(name: str) -> None:
    data = octets(name)
    whole, single = MessageStream(), MessageStream()
    events = whole.feed(data)
    assert events == [event for i in range(len(data)) for event in single.feed(data[i : i + 1])]
    fatal = [event.error.malformation for event in events if isinstance(event, StreamError) and event.fatal]
    if name in FATAL_ON_A_STREAM:
        assert fatal == [FATAL_ON_A_STREAM[name]]
        assert isinstance(events[0], StreamError)
        assert events[0].request is not None, "it can be answered before the connection is closed"
    elif name not in ("clerr", "baddn"):  # these two wait for octets that never come
        assert events


@needs_messages
def test_the_tortuous_invite_is_read_to_its_last_blank() -> None:
    message = request("wsinv")
    headers = message.headers
    assert NameAddr.parse(headers.first("From") or "", "From").display == 'J Rosenberg \\"'
    assert NameAddr.parse(headers.first("From") or "", "From").tag == "98asjd8"
    assert NameAddr.parse(headers.first("To") or "", "To").tag == "1918181833n"
    assert [(via.transport, via.host, via.branch) for via in map(Via.parse, headers.listed("Via"))] == [
        ("UDP", "192.0.2.2", "390skdjuw"),
        ("TCP", "spindle.example.com", "z9hG4bK9ikj8"),
        ("UDP", "192.168.255.111", "z9hG4bK30239"),
    ]
    contact = NameAddr.parse(headers.first("Contact") or "", "Contact")
    assert (contact.display, contact.parameters.get("newparam"), contact.parameters.get("q")) == ('Quoted string ""', "newvalue", "0.33")
    assert headers.first("Subject") == ""
    assert headers.first("NewFangledHeader") == "newfangled value continued newfangled value"
    assert len(message.body) == 150


@needs_messages
def test_a_method_of_odd_characters_and_a_user_with_question_marks_are_read() -> None:
    message = request("intmeth")
    assert message.method == "!interesting-Method0123456789_*+`.%indeed'~"
    uri = request_uri(message)
    assert uri.host == "example.com"
    assert uri.password == "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"


@needs_messages
def test_escapes_are_not_taken_apart() -> None:
    uri = request_uri(request("esc01"))
    assert (uri.user, uri.host, uri.user_text) == ("sips%3Auser%40example.com", "example.net", "sips:user@example.com")
    assert request("esc02").headers.all("Contact") == ["<sip:alias1@host1.example.com>", "<sip:alias3@host3.example.com>"]


def second_opinion(name: str) -> sipmessage.Message | None:
    """The message as sipmessage reads it; None for what it cannot read (folded lines, other schemes, what is missing)."""
    try:
        message = sipmessage.Message.parse(octets(name))
        # Read on demand: only now does it say that it cannot.
        _ = (message.via, message.from_address, message.to_address, message.cseq)
    except (ValueError, KeyError):
        return None
    return message


@needs_messages
@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_another_parser_reads_the_same_where_it_can(name: str) -> None:
    other = second_opinion(name)
    own = read_message(octets(name))
    if other is None or own.message is None:
        assert name in UNREAD, "two parsers disagree about whether this can be read"
        return
    headers = own.headers
    cseq = CSEQ_SPLIT.split(headers.first("CSeq") or "")
    assert cseq == [str(other.cseq.sequence), other.cseq.method]
    assert headers.first("Call-ID") == other.call_id
    vias = [Via.parse(value) for value in headers.listed("Via")]
    if name != "longreq":  # there it misses the Via fields with a blank before the colon
        assert [(via.transport, via.host, via.port) for via in vias] == [(via.transport, via.host, via.port) for via in other.via]
    for field, address in (("From", other.from_address), ("To", other.to_address)):
        read = NameAddr.parse(headers.first(field) or "", field)
        assert (read.uri.host, read.uri.port) == (address.uri.host, address.uri.port)
        assert read.tag == address.parameters.get("tag")
    if isinstance(own.message, Request):
        assert isinstance(other, sipmessage.Request)
        assert own.message.method == other.method


CSEQ_SPLIT = re.compile(r"\s+")
UNREAD = {
    # by sipmessage
    *("badaspec", "baddn", "badinv01", "badvers", "escruri", "insuf", "ltgtruri", "lwsruri", "lwsstart", "novelsc", "quotbal"),
    *("scalar02", "semiuri", "trws", "unkscm", "unksm2", "wsinv"),
    # by us: the status has ten digits
    "bigcode",
}
