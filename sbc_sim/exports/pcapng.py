"""A call as a capture file that Wireshark and tshark read with nothing to set.

What is in it, each on an interface of its own: the TLS octets as they came, with their secrets; the SIP messages in clear; RTP and RTCP in
clear; datagrams that were refused. The real IP and TCP headers were never seen, so they are made up around the real addresses.

Wireshark takes the RTP for SRTP because the SDP says so, and would not decode it. A session announcement of ours, on an interface of its
own, tells it better just before the RTP goes on after each message (docs/decisions/0012).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from sbc_sim.exports import pcapng_blocks as blocks
from sbc_sim.exports.announcement import Talkers, announcements
from sbc_sim.exports.capture import Capture, MediaRecording, TlsRecording
from sbc_sim.exports.disguise import Hosts, covered, covered_rtcp, host_of
from sbc_sim.exports.ip_packets import Address, TcpStream, numeric, opaque_packet, udp_packet
from sbc_sim.exports.keys import event_covered
from sbc_sim.exports.ladder_rows import NUMBERED
from sbc_sim.exports.pcapng_remarks import Remarks, remarks_of
from sbc_sim.exports.redacted import Redaction, redacted, text_mask
from sbc_sim.exports.redaction import clean
from sbc_sim.exports.rtcp_masked import is_rtcp, masked_rtcp
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.store import Trace
from sbc_sim.rtp.packet import HEADER_OCTETS
from sbc_sim.rtp.recording import Clip, RefusedDatagram

TLS, SIP, RTP, RTCP, REFUSED, NOTES = range(6)
INTERFACES = (
    ("TLS as it came", "TLS octets as they came; the TCP and IP headers are made up"),
    ("SIP decrypted", "SIP messages of this call in clear. They were carried by TLS: TCP and port 5060 are made up."),
    ("RTP decrypted", "RTP in clear: what SRTP carried, without its tags"),
    ("RTCP decrypted", "RTCP in clear: what SRTCP carried, without its tags"),
    ("SRTP refused", "Datagrams on the media ports that were not taken, as they came; the reason is in the comment"),
    ("notes for Wireshark", "Made by sbc-sim, never on the wire: says that RTP is in clear here"),
)
"""Name and description, in the order of their numbers."""

SIP_PORT, OTHER_SIP_PORT = 5060, 5070
_MADE_UP = "Other calls on this connection are in here too. TCP and IP headers are made up around the octets."
_LEFT_OUT = "{count} journal entries of this call before this message were not kept: messages may be among them"
_GAP = "{count} packets between this one and the one before were not kept (capture.media_seconds): they were not lost on the network"


@dataclass(frozen=True, slots=True)
class _Frame:
    """One packet of the file."""

    at: float
    interface: int
    octets: bytes = field(repr=False)
    comments: tuple[str, ...] = ()
    length: int = 0
    describes: bool = False
    """It may hold an SDP, after which Wireshark takes RTP for SRTP."""


def capture_pcapng(trace: Trace, capture: Capture, level: Redaction = Redaction.NONE, application: str = "sbc-sim") -> bytes:
    """Write a call as pcapng; `application` says who wrote it.

    Level none holds the TLS octets with their secrets, share leaves both out and masks messages and keys pressed,
    strict covers audio and hosts too.
    """
    return pcapng_of(trace, redacted(trace, level), capture, level, application)


def pcapng_of(trace: Trace, shown: Trace, capture: Capture, level: Redaction, application: str = "sbc-sim") -> bytes:
    """Write it from a trace and what is left of that trace at this level."""
    hosts = Hosts(trace, shown) if level is Redaction.STRICT else None
    remarks = remarks_of(shown, capture, level)
    writer = _Frames(trace, shown, capture, level, hosts, remarks)
    frames = sorted(writer.frames(), key=lambda frame: frame.at)
    file = [blocks.section(application, remarks.general)]
    file += [blocks.interface(*interface) for interface in INTERFACES]
    if level is Redaction.NONE:
        file += [blocks.tls_secrets(tls.secrets) for tls in capture.tls if tls.secrets]
    file += [blocks.packet(f.interface, f.at, f.octets, f.comments, f.length) for f in _announced(frames, writer.talkers)]
    return b"".join(file)


def _announced(frames: Iterable[_Frame], talkers: Talkers) -> Iterator[_Frame]:
    """Put the announcement of ours before the RTP that follows a message."""
    told = False
    for frame in frames:
        if frame.describes:
            told = False
        elif frame.interface in (RTP, RTCP) and not told:
            told = True
            for octets in announcements(talkers):
                yield _Frame(frame.at, NOTES, octets, ("made by sbc-sim, never on the wire: the RTP that follows is in clear",))
        yield frame


class _Frames:
    """The packets of one call, source after source."""

    def __init__(self, trace: Trace, shown: Trace, capture: Capture, level: Redaction, hosts: Hosts | None, remarks: Remarks) -> None:
        self._trace, self._shown = trace, shown
        self._capture = capture
        self._level = level
        self._hosts = hosts
        self._mask = text_mask(trace, level)
        self._remarks = remarks
        self._events = {agreed["dtmfPayloadType"] for agreed in trace.call.agreements if agreed.get("dtmfPayloadType") is not None}
        self.talkers = self._talkers()

    def frames(self) -> Iterator[_Frame]:
        """All of them, in no order of time."""
        if self._level is Redaction.NONE:
            for tls in self._capture.tls:
                yield from self._tls(tls)
        yield from self._sip()
        if self._capture.media is not None:
            yield from self._media(self._capture.media)

    def _address(self, address: Address) -> Address:
        host = numeric(address[0]) if self._hosts is None else self._hosts.stand_in(address[0])
        return host, address[1]

    # --- TLS ---------------------------------------------------------------------------------------------------------

    def _tls(self, tls: TlsRecording) -> Iterator[_Frame]:
        if not tls.pieces:
            return
        ends = self._address(tls.peer), self._address(tls.local)
        by_peer = tls.pieces[0].from_peer  # TLS begins with the client's hello
        stream = TcpStream(*(ends if by_peer else ends[::-1]))
        begin = tls.pieces[0].at
        comments: tuple[str, ...] = (*self._remarks.connection, _MADE_UP)
        for octets in stream.opening():
            yield _Frame(begin, TLS, octets, comments)
            comments = ()
        for piece in tls.pieces:
            for octets in stream.data(piece.from_peer == by_peer, piece.octets):
                yield _Frame(piece.at, TLS, octets, describes=True)
        if tls.ended_at is not None and not tls.cut:
            for octets in stream.closing(by_client=tls.pieces[-1].from_peer == by_peer):
                yield _Frame(max(tls.ended_at, tls.pieces[-1].at), TLS, octets)

    # --- SIP ---------------------------------------------------------------------------------------------------------

    def _sip(self) -> Iterator[_Frame]:
        streams: dict[object, TcpStream] = {}
        messages = [(place, entry) for place, entry in enumerate(self._shown.entries) if entry.kind in NUMBERED]
        gap = self._shown.dropped > 0
        for number, (place, entry) in enumerate(messages):
            comments = self._remarks.messages.get(number, ())
            if gap and place >= self._shown.dropped_after:
                gap = False
                comments = (_LEFT_OUT.format(count=self._shown.dropped), *comments)
            yield from self._message(entry, number, comments, streams)

    def _message(self, entry: Entry, number: int, comments: tuple[str, ...], streams: dict[object, TcpStream]) -> Iterator[_Frame]:
        if not entry.raw:
            return
        unreadable = entry.kind is Kind.PARSE_ERROR
        # What cannot be read gets a stream of its own: it must not carry the messages behind it away.
        key: object = ("unreadable", number) if unreadable else entry.data.get("connection")
        from_peer = unreadable or entry.data.get("direction") == "in"
        client_is_peer, client, server = self._ends(entry)
        if unreadable:
            client = client[0], 1024 + (client[1] + 1 + number) % 64000
            comments = (clean(f"could not be read: {entry.data.get('detail', '')}"), *comments)
        if key not in streams:
            streams[key] = TcpStream(client, server)
            yield from (_Frame(entry.at, SIP, octets) for octets in streams[key].opening())
        described = b"m=audio" in entry.raw
        for octets in streams[key].data(from_peer == client_is_peer, entry.raw):
            yield _Frame(entry.at, SIP, octets, comments, describes=described)
            comments = ()

    def _ends(self, entry: Entry) -> tuple[bool, Address, Address]:
        """Tell whether the peer opened the connection of a message, and the addresses of client and server."""
        number = entry.data.get("connection")
        tls = next((tls for tls in self._capture.tls if tls.connection == number), None)
        peer = tls.peer if tls is not None else _peer_of(self._trace)
        local = tls.local if tls is not None else _local_of(self._trace)
        dialled = isinstance(number, int) and number < 0
        real_ports = {tls.peer[1] if dialled else tls.local[1] for tls in self._capture.tls}
        port = OTHER_SIP_PORT if SIP_PORT in real_ports else SIP_PORT
        near, far = self._address(local), self._address(peer)
        return (False, near, (far[0], port)) if dialled else (True, far, (near[0], port))

    # --- media -------------------------------------------------------------------------------------------------------

    def _local(self, media: MediaRecording) -> Address:
        host = media.local_host if numeric(media.local_host) != "0.0.0.0" else _local_of(self._trace)[0]
        return self._address((host, media.local_port))

    def _talkers(self) -> Talkers:
        """Collect who speaks RTP here, for the announcements."""
        media = self._capture.media
        if media is None:
            return Talkers()
        own = self._local(media)
        far: dict[Address, None] = {}
        for clip in (media.received, media.sent):
            far.update(dict.fromkeys(address for _, address, _ in clip.packets))
        others = dict.fromkeys(self._address(address) for address in far)
        agreed = self._trace.call.agreements[-1] if self._trace.call.agreements else {}
        return Talkers((own, *others), str(agreed.get("codec") or "PCMU"), agreed.get("payloadType") or 0, agreed.get("dtmfPayloadType"))

    def _media(self, media: MediaRecording) -> Iterator[_Frame]:
        own = self._local(media)
        first = _first(media)
        for clip, received in ((media.received, True), (media.sent, False)):
            comments = self._remarks.media if received == first else ()
            yield from self._clip(clip, own, received, comments)
        for clip, received in ((media.rtcp_received, True), (media.rtcp_sent, False)):
            yield from self._rtcp(clip, own, media.local_rtcp_port, received)
        yield from self._refused(media, own)

    def _clip(self, clip: Clip, own: Address, received: bool, comments: tuple[str, ...]) -> Iterator[_Frame]:
        addresses: dict[Address, Address] = {}
        for place, (at, address, packet) in enumerate(clip.packets):
            if clip.dropped and place == clip.dropped_after:
                comments = (*comments, _GAP.format(count=clip.dropped))
            far = addresses.get(address) or addresses.setdefault(address, self._address(address))
            shown = self._shown_media(packet)
            yield _Frame(at, RTP, udp_packet(far, own, shown) if received else udp_packet(own, far, shown), comments)
            comments = ()

    def _shown_media(self, packet: bytes) -> bytes:
        if self._level is Redaction.NONE:
            return packet
        return covered(packet) if self._level is Redaction.STRICT else event_covered(packet, self._events)

    def _rtcp(self, clip: Clip, own: Address, rtcp_port: int, received: bool) -> Iterator[_Frame]:
        agreed = self._trace.call.agreements[-1] if self._trace.call.agreements else {}
        near = own if agreed.get("rtcpMux") else (own[0], rtcp_port)
        for at, address, packet in clip.packets:
            far = self._address(address)
            shown = self._rtcp_shown(packet)
            yield _Frame(at, RTCP, udp_packet(far, near, shown) if received else udp_packet(near, far, shown))

    def _rtcp_shown(self, packet: bytes) -> bytes:
        if self._hosts is not None:
            return covered_rtcp(packet)
        return masked_rtcp(packet, self._mask) if self._level is Redaction.SHARE else packet

    def _refused(self, media: MediaRecording, own: Address) -> Iterator[_Frame]:
        """Show refused datagrams; those of a stream that was opened too are kept out of it, or it would be counted wrong."""
        opened = {packet[8:12] for _, _, packet in media.received.packets}
        for refused in media.refused:
            yield self._refused_one(refused, self._address(refused.source), own, opened)

    def _refused_one(self, refused: RefusedDatagram, far: Address, own: Address, opened: set[bytes]) -> _Frame:
        octets = refused.datagram
        if self._hosts is not None:
            octets = octets[:HEADER_OCTETS] + bytes(max(0, len(octets) - HEADER_OCTETS))
        elif self._level is Redaction.SHARE:
            octets = self._rtcp_shown(octets) if is_rtcp(octets) else event_covered(octets, self._events)
        comment = f"refused: {refused.reason} ({refused.length or len(refused.datagram)} octets)"
        if refused.datagram[8:12] in opened:
            return _Frame(refused.at, NOTES, opaque_packet(far, own, octets), (comment,))
        cut = max(0, refused.length - len(refused.datagram))
        packet = udp_packet(far, own, octets + bytes(cut))
        return _Frame(refused.at, REFUSED, packet[: len(packet) - cut], (comment,), len(packet))


def _first(media: MediaRecording) -> bool:
    """Whether the remarks about the media go to what was received: to what was sent when nothing was."""
    return bool(media.received.packets) or not media.sent.packets


def _peer_of(trace: Trace) -> Address:
    """The far end of the connection on which the call came, as far as the journal tells."""
    text = trace.call.peer or ""
    _, _, port = text.rpartition(":")
    return host_of(text), int(port) if port.isascii() and port.isdigit() and int(port) < 65536 else 0


def _local_of(trace: Trace) -> Address:
    peer = trace.opened.data.get("peer", {}) if trace.opened is not None else {}
    return str(peer.get("localHost") or ""), int(peer.get("localPort") or 0)
