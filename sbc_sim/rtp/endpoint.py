"""What every leg of ours has in common, whatever it sends: reception, transmission, RTCP, changes, the report.

A kind of leg is this class plus what it does with the audio it hears (`_hear`) and, when it sends by the clock, what is due
(`due`). EchoLeg sends back what it hears; PlayLeg (play.py) sends frames of its own; AgentLeg (agent.py) says prompts and listens.
"""

from __future__ import annotations

from sbc_sim.rtp import rtcp
from sbc_sim.rtp.exchange import RtcpExchange
from sbc_sim.rtp.leg import Direction, LegDescription, LegEvent, LegReport, Prompt
from sbc_sim.rtp.packet import CLOCK_RATE, HEADER_OCTETS, Kind, classify
from sbc_sim.rtp.reception import NOT_OURS, STRANGER, Address, Heard, Reception
from sbc_sim.rtp.recording import Recording
from sbc_sim.rtp.srtp import Refusal
from sbc_sim.rtp.transmission import Transmission

_NOWHERE = ("0.0.0.0", "::", "")


class Endpoint:
    """One leg. Pure: datagrams and the time go in, datagrams come out; the plane that holds the sockets asks where to send them."""

    __slots__ = (
        "_dtls",
        "_longest_delay",
        "_may_echo",
        "_may_send",
        "_reachable",
        "_recording",
        "_rtcp_auth_failures",
        "_rtcp_plain",
        "_rtcp_source",
        "_stun",
        "_unknown",
        "description",
        "echoed",
        "exchange",
        "reception",
        "send_errors",
        "transmission",
    )

    paced = False
    """True when `due` wants to be asked every few milliseconds."""

    def __init__(self, description: LegDescription, now: float) -> None:
        """Begin; raise ValueError for a suite or key that cannot be used."""
        self.reception = Reception(description)
        self.transmission = Transmission(description)
        self.exchange = RtcpExchange(description.ssrc, description.cname, now)
        self.send_errors = 0
        """Counted by the plane: the system would not send."""
        self.echoed = 0
        self._longest_delay: float | None = None
        self._stun = self._dtls = self._unknown = self._rtcp_auth_failures = self._rtcp_plain = 0
        self._rtcp_source: Address | None = None
        self._recording: Recording | None = None
        self._use(description)

    def _use(self, description: LegDescription) -> None:
        self.description = description
        reachable = description.remote[0] not in _NOWHERE and description.remote[1] > 0
        self._reachable = reachable
        self._may_send = reachable and description.direction in (Direction.SENDRECV, Direction.SENDONLY)
        self._may_echo = reachable and description.direction is Direction.SENDRECV

    def record_to(self, recording: Recording) -> None:
        """Keep from now on what is heard and said, in clear, and what is refused."""
        self._recording = recording
        self.reception.record_to(recording)
        self.transmission.record = recording.sent.add

    def change(self, description: LegDescription) -> None:
        """Go on as described from now: equal keys keep their SRTP state, another key refuses the old one (RFC 3264 section 8.3.1)."""
        if description.remote_rtcp != self.description.remote_rtcp or not description.latch:
            self._rtcp_source = None
        self.reception.change(description)
        self.transmission.change(description)
        self.exchange.ssrc, self.exchange.cname = description.ssrc, description.cname
        self._use(description)

    @property
    def destination(self) -> Address:
        """Where RTP goes."""
        return self.reception.expected_source

    @property
    def rtcp_destination(self) -> Address | None:
        """Where RTCP goes; None when it goes where RTP goes (RFC 5761)."""
        return self._rtcp_source or self.description.remote_rtcp

    def receive_rtp(self, datagram: bytes, source: Address, now: float) -> bytes | None:
        """Take what arrived on the RTP port, RTCP and strangers included; give a packet to send to `destination`, or None."""
        if len(datagram) < HEADER_OCTETS or not 0x7F < datagram[0] < 0xC0 or 0xBF < datagram[1] < 0xE0:
            self.receive_rtcp(datagram, source, now)
            return None
        heard = self.reception.receive(datagram, source, now)
        return None if heard is None else self._hear(heard, now)

    def claim_rtp(self, datagram: bytes, source: Address, now: float) -> tuple[bool, bytes | None]:
        """Take an RTP packet if our key opens it: (whether it did, packet to send). If not, nothing is counted."""
        heard = self.reception.receive(datagram, source, now, blame=False)
        if heard is NOT_OURS:
            return False, None
        return True, None if heard is None else self._hear(heard, now)

    def _hear(self, heard: Heard, now: float) -> bytes | None:
        """Do what this kind of leg does with audio."""
        raise NotImplementedError

    def due(self, now: float) -> list[bytes]:
        """Give the RTP packets that the clock asks for now."""
        return []

    def say(self, prompt: Prompt | None, now: float) -> None:
        """Play a prompt instead of what plays, or be silent; nothing for a kind of leg that says nothing by itself."""

    def take_events(self) -> list[LegEvent]:
        """Hand over what an agent answers to, in order; asked of legs that go by the clock, after `due`."""
        return []

    def receive_rtcp(self, datagram: bytes, source: Address, now: float) -> None:
        """Take what arrived on the RTCP port, or is no RTP on the RTP port: SRTCP is read, STUN, DTLS and the rest are counted."""
        kind = classify(datagram)
        if kind is Kind.RTCP:
            self._receive_srtcp(datagram, source, now)
        else:
            self._refused(datagram, source, now, self._count_other(kind, source))

    def _refused(self, datagram: bytes, source: Address, now: float, why: str) -> None:
        if self._recording is not None:
            self._recording.refuse(now, source, datagram, why)

    def _count_other(self, kind: Kind, source: Address) -> str:
        """Count what is neither RTP nor RTCP, and say in words what it is."""
        if self.reception.is_foreign(source):
            self.reception.foreign += 1
            return STRANGER
        match kind:
            case Kind.STUN:
                self._stun += 1
                return "STUN: ICE is not spoken here"
            case Kind.DTLS:
                self._dtls += 1
                return "DTLS: keys come by SDES here"
            case Kind.RTP:
                self._unknown += 1
                return "RTP on the RTCP port"
            case _:
                self._unknown += 1
                return "neither RTP nor RTCP"

    def claim_rtcp(self, datagram: bytes, source: Address, now: float) -> bool:
        """Take an SRTCP packet if our key opens it; if not, nothing is counted."""
        packet = self.reception.srtp.open_rtcp(datagram)
        if isinstance(packet, Refusal):
            return False
        self._take_rtcp(packet, source, now)
        return True

    def _receive_srtcp(self, datagram: bytes, source: Address, now: float) -> None:
        clear = rtcp.looks_clear(datagram)
        packet = Refusal.BAD if clear else self.reception.srtp.open_rtcp(datagram)
        if isinstance(packet, bytes):
            self._take_rtcp(packet, source, now)
        else:
            self._refused(datagram, source, now, self._blame_rtcp(packet, source, clear))

    def _blame_rtcp(self, refusal: Refusal, source: Address, clear: bool) -> str:
        """Count RTCP that the key does not open, and say why in words."""
        if self.reception.is_foreign(source):
            self.reception.foreign += 1
            return STRANGER
        if clear:
            self._rtcp_plain += 1
            return "plain RTCP, not encrypted"
        if refusal is Refusal.AUTHENTICATION:
            self._rtcp_auth_failures += 1
            return "SRTCP with a wrong key or suite: authentication failed"
        if refusal in (Refusal.REPLAYED, Refusal.TOO_OLD):
            return "SRTCP replayed: this packet came before"
        self._unknown += 1
        return "malformed: no SRTCP packet"

    def _take_rtcp(self, packet: bytes, source: Address, now: float) -> None:
        self.reception.rtcp_source = source
        if self._recording is not None:
            self._recording.rtcp_received.add(now, source, packet)
        if not self.exchange.take(packet, now):
            self._unknown += 1
        elif self.description.latch and self.description.remote_rtcp is not None and self._rtcp_source is None:
            self._rtcp_source = source

    def tick(self, now: float) -> list[bytes]:
        """Give the SRTCP datagrams that are due: to be asked once or twice a second. Reports go on while the media is on hold."""
        if now < self.exchange.next_at:
            return []
        self.exchange.schedule(now)
        return self._rtcp(now)

    def goodbye(self, now: float) -> list[bytes]:
        """Give the last report with its BYE (RFC 3550 section 6.6)."""
        return self._rtcp(now, bye=True)

    def _rtcp(self, now: float, *, bye: bool = False) -> list[bytes]:
        if not self._reachable:
            return []
        sender = self.transmission.sender_info(now)
        streams = list(self.reception.streams.values())
        packet = self.exchange.compound(now, sender, streams, bye=bye)
        datagram = self.transmission.protect_rtcp(packet)
        if datagram is None:
            return []
        if self._recording is not None:
            self._recording.rtcp_sent.add(now, self.rtcp_destination or self.destination, packet)
        return [datagram]

    def sent_after(self, delay: float) -> None:
        """Note how long after its arrival a packet's answer went out, seconds; the plane measures it."""
        if self._longest_delay is None or delay > self._longest_delay:
            self._longest_delay = delay

    def report(self) -> LegReport:
        """Say all that has been seen and done so far."""
        heard, sent, exchange = self.reception, self.transmission, self.exchange
        totals = heard.totals
        stream = heard.stream if heard.streams else None
        return LegReport(
            packets_received=totals.received,
            octets_received=heard.meter.octets,
            packets_sent=sent.packets,
            octets_sent=sent.octets,
            echoed_packets=self.echoed,
            expected=totals.expected,
            lost=totals.lost,
            duplicates=heard.duplicates,
            reordered=totals.reordered,
            replayed=heard.replayed,
            jitter_ms=_milliseconds(stream.jitter) if stream else 0.0,
            max_jitter_ms=_milliseconds(totals.max_jitter),
            auth_failures=heard.auth_failures,
            failed_tag_octets=heard.tags.most_common(1)[0][0] if heard.tags else None,
            old_key=heard.old_key,
            plain_rtp=heard.plain_rtp,
            malformed=heard.malformed + heard.dtmf.malformed + self._unknown,
            stun=self._stun,
            dtls=self._dtls,
            stray=heard.stray,
            foreign=heard.foreign,
            wrong_payload=heard.wrong_payload,
            comfort_noise=heard.comfort_noise,
            payload_types=heard.payload_types(),
            ssrcs=heard.ssrcs,
            ssrc=stream.ssrc if stream else None,
            first_packet_at=heard.first_packet_at,
            last_packet_at=heard.last_packet_at,
            packet_ms=heard.meter.packet_ms,
            level_dbfs=heard.meter.level_dbfs,
            peak_dbfs=heard.meter.peak_dbfs,
            silent_packets=heard.meter.silent_packets,
            audio_packets=heard.meter.packets,
            dtmf=heard.dtmf.events,
            remote=heard.real_source(),
            unwanted_while_held=heard.unwanted_while_held,
            send_errors=self.send_errors + sent.refused,
            rtcp_sent=exchange.sent,
            rtcp_received=exchange.received,
            rtcp_auth_failures=self._rtcp_auth_failures,
            rtcp_plain=self._rtcp_plain,
            rtcp_bye=exchange.bye,
            peer_cname=exchange.peer_cname,
            peer_fraction_lost=exchange.peer_fraction_lost,
            peer_jitter_ms=None if exchange.peer_jitter is None else _milliseconds(exchange.peer_jitter),
            round_trip_ms=None if exchange.round_trip is None else exchange.round_trip * 1000,
            max_echo_delay_ms=None if self._longest_delay is None else self._longest_delay * 1000,
        )


def _milliseconds(timestamp_units: float) -> float:
    return timestamp_units * 1000 / CLOCK_RATE
