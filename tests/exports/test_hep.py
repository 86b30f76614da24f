"""HEP packets, read back by sip-doctor's own decoder, which shares no line with ours."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sipdoctor import hep as receiver

from sbc_sim.exports.hep import MOST_OCTETS, Agent, HepCopies, TooLarge, hep_packet
from sbc_sim.journal.entries import Entry, Kind
from tests.support.joined import Joined

AGENT = Agent(2001)
AT = 1_700_000_000.25
INVITE = b"INVITE sip:echo@sbc.example SIP/2.0\r\nCall-ID: abc\r\n\r\n"


def chunks(packet: bytes) -> dict[int, bytes]:
    """Every chunk of a packet by its type."""
    assert packet[:4] == b"HEP3"
    assert struct.unpack("!H", packet[4:6])[0] == len(packet)
    found, place = {}, 6
    while place < len(packet):
        vendor, kind, length = struct.unpack("!HHH", packet[place : place + 6])
        assert (vendor, kind in found) == (0, False)
        found[kind] = packet[place + 6 : place + length]
        place += length
    return found


def opened(connection: int, peer: str = "192.0.2.1", own: str = "203.0.113.5") -> Entry:
    ends = {"host": peer, "port": 40001, "localHost": own, "localPort": 5061, "listener": "default", "dialled": False}
    return Entry(AT, Kind.CONNECTION_OPENED, None, {"connection": connection, "peer": ends, "tls": None})


def message(raw: bytes = INVITE, direction: str = "in", connection: int = 1, kind: Kind = Kind.MESSAGE) -> Entry:
    return Entry(AT, kind, "call-1", {"connection": connection, "direction": direction, "sipCallId": "abc"}, raw)


def copies(hide=lambda raw: raw) -> HepCopies:
    made = HepCopies(AGENT, hide)
    assert made.packet(opened(1)) is None
    return made


@pytest.mark.parametrize(("peer", "own"), [("192.0.2.1", "203.0.113.5"), ("2001:db8::1", "2001:db8::5")])
def test_another_decoder_reads_addresses_ports_time_and_octets(peer, own):
    read = receiver.decode(hep_packet(AGENT, INVITE, AT, (peer, 40001), (own, 5061), "abc"))
    assert read is not None
    assert (read.src, read.sport, read.dst, read.dport) == (peer, 40001, own, 5061)
    assert (read.ts, read.transport, read.proto_type, read.payload) == (AT, "TLS", 1, INVITE)


def test_every_chunk_that_homer_asks_for_is_there():
    packet = hep_packet(Agent(7, "s3cret", "node-a"), INVITE, 1.999_999_9, ("192.0.2.1", 1), ("192.0.2.2", 2), "call@id")
    found = chunks(packet)
    assert (found[1], found[2], found[11]) == (b"\x02", b"\x06", b"\x01")
    assert (found[9], found[10]) == (struct.pack("!I", 2), struct.pack("!I", 0)), "microseconds are rounded into the next second"
    assert (found[12], found[14], found[17], found[19]) == (struct.pack("!I", 7), b"s3cret", b"call@id", b"node-a")


def test_without_a_password_or_a_call_id_their_chunks_are_left_out():
    assert not {14, 17} & set(chunks(hep_packet(AGENT, INVITE, AT, ("192.0.2.1", 1), ("192.0.2.2", 2))))


def test_ends_of_different_ip_versions_are_both_written_as_ipv6():
    read = receiver.decode(hep_packet(AGENT, INVITE, AT, ("192.0.2.1", 1), ("2001:db8::5", 2)))
    assert read is not None
    assert (read.src, read.dst) == ("::ffff:192.0.2.1", "2001:db8::5")


def test_a_zone_is_no_part_of_an_address_on_the_wire():
    assert chunks(hep_packet(AGENT, INVITE, AT, ("fe80::1%eth0", 1), ("fe80::2%eth0", 2)))[5][:2] == b"\xfe\x80"


@given(st.binary(max_size=3000), st.floats(0, 4_000_000_000), st.integers(0, 65535))
def test_any_octets_at_any_time_come_out_as_they_went_in(payload, at, port):
    read = receiver.decode(hep_packet(AGENT, payload, at, ("192.0.2.1", port), ("192.0.2.2", 5061)))
    assert read is not None
    assert (read.payload, read.sport) == (payload, port)
    assert abs(read.ts - at) < 1e-5


def test_a_message_that_no_packet_can_hold_is_refused_and_the_largest_that_fits_is_not():
    ends = ("192.0.2.1", 1), ("192.0.2.2", 2)
    overhead = len(hep_packet(AGENT, b"", AT, *ends))
    assert len(hep_packet(AGENT, b"x" * (MOST_OCTETS - overhead), AT, *ends)) == MOST_OCTETS
    for octets in (MOST_OCTETS - overhead + 1, 200_000):
        with pytest.raises(TooLarge, match="at most 65535 octets"):
            hep_packet(AGENT, b"x" * octets, AT, *ends)


def test_what_we_send_has_our_address_as_its_source():
    read = receiver.decode(copies().packet(message(direction="out")) or b"")
    assert read is not None
    assert (read.src, read.sport, read.dst, read.dport) == ("203.0.113.5", 5061, "192.0.2.1", 40001)


def test_every_message_passes_through_the_redaction():
    packet = copies(lambda raw: b"#" * len(raw)).packet(message())
    assert chunks(packet or b"")[15] == b"#" * len(INVITE)


def test_the_correlation_id_is_the_call_id_as_it_leaves():
    hidden = copies(lambda raw: raw.replace(b"abc", b"xyz")).packet(message())
    assert chunks(hidden or b"")[17] == b"xyz"
    assert 17 not in chunks(copies().packet(message(b"OPTIONS sip:a SIP/2.0\r\n\r\nCall-ID: body\r\n")) or b"")


def test_octets_that_are_no_message_are_copied_once_although_their_request_is_told_too():
    made = copies()
    assert chunks(made.packet(message(b"INVITE nonsense", kind=Kind.PARSE_ERROR)) or b"")[15] == b"INVITE nonsense"
    assert made.packet(message(b"INVITE nonsense")) is None
    assert made.packet(message(b"INVITE nonsense")) is not None, "the same octets later are another message"


def test_what_belongs_to_no_known_connection_has_no_addresses_and_is_left_out():
    made = copies()
    assert made.packet(message(connection=2)) is None
    assert made.packet(Entry(AT, Kind.CONNECTION_CLOSED, None, {"connection": 1, "why": ""})) is None
    assert made.packet(message()) is None


def test_a_whole_call_is_copied_message_by_message_in_its_order():
    joined = Joined()
    joined.run()
    made = HepCopies(AGENT, lambda raw: raw)
    read = [receiver.decode(packet) for entry in joined.sbc.entries if (packet := made.packet(entry))]
    first = [one.payload.split(b"\r\n")[0] for one in read if one is not None]
    assert [line.split(b" SIP/2.0")[0].split(b" ")[0] for line in first] == [
        *(b"INVITE", b"SIP/2.0", b"SIP/2.0", b"SIP/2.0", b"ACK", b"BYE", b"SIP/2.0"),
    ]
    told = [entry for entry in joined.sbc.entries if entry.kind is Kind.MESSAGE]
    assert [one.payload for one in read if one is not None] == [entry.raw for entry in told]
    times = [one.ts for one in read if one is not None]
    assert times == sorted(times)
