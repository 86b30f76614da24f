"""What goes into the media plane and what comes out of it: nothing else is shared with signalling."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Direction(StrEnum):
    """Direction of a stream as seen by us (RFC 8866 section 6.7)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"


@dataclass(frozen=True, slots=True)
class SrtpKey:
    """An SDES key: suite by its SDP name, master key followed by master salt."""

    suite: str
    key_salt: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class MediaAddress:
    """Where the peer shall send: goes into the SDP."""

    host: str
    """Empty when none is advertised: then the one by which the peer reached us over SIP."""
    rtp_port: int
    rtcp_port: int
    """Equal to ``rtp_port`` when only one port is open (mux mode)."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """Something to say on a leg: PCMU octets, 8,000 a second (whatever the codec of the leg, which the leg sees to)."""

    name: str
    pcmu: bytes = field(repr=False)


class LegEventKind(StrEnum):
    """What a leg tells at once, because an agent answers to it."""

    SPEECH_BEGAN = "speech-began"
    SPEECH_ENDED = "speech-ended"
    """After `pause_ms` without speech; `value`: how long it lasted, milliseconds."""
    DIGIT = "digit"
    """`value`: the key."""
    PROMPT_OVER = "prompt-over"
    """`value`: the prompt's name."""


@dataclass(frozen=True, slots=True)
class LegEvent:
    """One thing that a leg heard or did."""

    kind: LegEventKind
    value: str = ""


@dataclass(frozen=True, slots=True)
class MediaConduct:
    """What a leg does beside carrying audio: which kind it is, and what is done wrong on purpose."""

    kind: str = "echo"
    """``echo`` sends back what it hears, ``agent`` says prompts and listens, ``mute`` only listens."""
    faults: tuple[tuple[str, float], ...] = ()
    """Media faults with their strength, in order: loss (fraction), burst (packets in a row), jitter and delay (ms), reorder (fraction),
    duplicate (fraction), one-way (1), wrong-key (1). Empty costs nothing."""
    seed: int = 0
    """From which all chance of these faults follows."""
    speech_dbfs: float = -40.0
    """Agent: a packet louder than this is speech."""
    pause_ms: int = 700
    """Agent: so much without speech and the other side has finished."""


@dataclass(frozen=True, slots=True)
class LegDescription:
    """Everything that the media plane must know about one leg (an audio stream of one call)."""

    call: str
    remote: tuple[str, int]
    """RTP destination from the peer's SDP."""
    remote_rtcp: tuple[str, int] | None
    """RTCP destination; None with rtcp-mux."""
    receive_key: SrtpKey
    """The peer's key: decrypts what arrives."""
    send_key: SrtpKey
    payload_type: int = 0
    codec: str = "PCMU"
    dtmf_payload_type: int | None = None
    direction: Direction = Direction.SENDRECV
    ptime_ms: int = 20
    ssrc: int = 0
    first_sequence: int = 0
    first_timestamp: int = 0
    cname: str = "sbc-sim"
    latch: bool = False
    """Send to the real source of the first authenticated packet instead of ``remote``."""
    conduct: MediaConduct = field(default_factory=MediaConduct)


@dataclass(frozen=True, slots=True)
class DtmfEvent:
    """One key press (RFC 4733)."""

    digit: str
    at: float
    duration_ms: int


@dataclass(frozen=True, slots=True)
class LegReport:
    """What the media plane has seen and done for one leg so far. Times are unix seconds, levels dBFS."""

    packets_received: int = 0
    """Authenticated RTP packets."""
    octets_received: int = 0
    """RTP payload octets of those."""
    packets_sent: int = 0
    octets_sent: int = 0
    echoed_packets: int = 0
    expected: int = 0
    """By extended sequence numbers (RFC 3550 A.3)."""
    lost: int = 0
    duplicates: int = 0
    """Those of `replayed` whose number came before: what a network that repeats packets looks like under SRTP."""
    reordered: int = 0
    replayed: int = 0
    """Refused by the SRTP replay window: seen before, or too old to tell."""
    jitter_ms: float = 0.0
    """Interarrival jitter now (RFC 3550 A.8)."""
    max_jitter_ms: float = 0.0
    auth_failures: int = 0
    """SRTP packets whose authentication tag is wrong: wrong key or wrong suite."""
    failed_tag_octets: int | None = None
    """Length of the tag that would make the audio of most such packets whole (10: SHA1_80, 4: SHA1_32, 16: GCM): tells a wrong suite
    from a wrong key. None when no length does."""
    old_key: int = 0
    """Packets refused because they use the key that a re-INVITE replaced (RFC 3264 section 8.3.1). Not in `auth_failures`."""
    plain_rtp: int = 0
    """Packets that look like clear RTP of a payload type of the leg: no SRTP at all. Not in `auth_failures`."""
    malformed: int = 0
    """Datagrams that are neither RTP, RTCP, nor STUN/DTLS."""
    stun: int = 0
    dtls: int = 0
    stray: int = 0
    """Authentic packets from another source than the expected one (SDP address or latched)."""
    foreign: int = 0
    """Datagrams of strangers: from another source than the leg's, opened by no key. Not the partner's fault."""
    wrong_payload: int = 0
    """Authentic packets whose payload type is not of the answer."""
    comfort_noise: int = 0
    payload_types: tuple[tuple[int, int], ...] = ()
    """(payload type, packets), most frequent first, at most 16."""
    ssrcs: int = 0
    """Number of different SSRCs seen."""
    ssrc: int | None = None
    first_packet_at: float | None = None
    last_packet_at: float | None = None
    packet_ms: float | None = None
    """Most frequent packet duration seen, ms."""
    level_dbfs: float | None = None
    """Mean level of received audio; None before any audio."""
    peak_dbfs: float | None = None
    silent_packets: int = 0
    """Without a sample above -55 dBFS."""
    audio_packets: int = 0
    dtmf: tuple[DtmfEvent, ...] = ()
    """At most the first 128."""
    remote: tuple[str, int] | None = None
    """Real source of the authentic packets."""
    unwanted_while_held: int = 0
    """Packets that arrived although our direction forbids reception."""
    send_errors: int = 0
    rtcp_sent: int = 0
    rtcp_received: int = 0
    rtcp_auth_failures: int = 0
    rtcp_plain: int = 0
    rtcp_bye: bool = False
    peer_cname: str | None = None
    peer_fraction_lost: float | None = None
    """From the peer's last report block about our stream, 0.0-1.0. An echo has gaps where the peer's own packets were lost on the way
    up, and a peer that counts by sequence numbers counts those too."""
    peer_jitter_ms: float | None = None
    round_trip_ms: float | None = None
    max_echo_delay_ms: float | None = None
    """Longest time between receipt of a packet and sending of its echo, measured in the plane."""
