"""Messages made in one call, then broken in one place; a switchboard with a partner's line, joined without sockets."""

from __future__ import annotations

import base64
import itertools
from dataclasses import dataclass, field

from sbc_sim.calls.limits import Limits
from sbc_sim.calls.outputs import Close, Connect, Environment, Output, Record, Send, StartMedia, StopMedia
from sbc_sim.calls.switchboard import Switchboard
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.rtp.leg import LegReport, MediaAddress
from sbc_sim.rules.policy import Policy
from sbc_sim.sip.connections import Identity
from sbc_sim.sip.message import Request, Response
from sbc_sim.sip.peer import Peer, TlsFacts
from sbc_sim.sip.stream import MessageStream

ECHO = "7b226f72674964223a226563686f2d746573742d6f7267222c227363727432446f6d61696e223a226166762d7773732d6563686f3a37343432227d;encoding=hex"
"""The echo payload of requirement 63 as a header value."""
KEY = base64.b64encode(bytes(range(30))).decode()
SDP = (
    "v=0\r\no=- 77 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    "m=audio 24000 RTP/SAVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"
    f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\n"
)
_numbers = itertools.count(1)


def a_request(
    method: str = "INVITE", body: str = "", remove: tuple[str, ...] = (), uri: str = "sip:+15550100@sbc.example", **changed: str
) -> bytes:
    """A request with every header that one needs. `changed` replaces (user_to_user=..., call_id=...); `remove` leaves headers out."""
    number = next(_numbers)
    headers = {
        "Via": f"SIP/2.0/TLS 192.0.2.1:5071;branch=z9hG4bK{number};rport",
        "Max-Forwards": "70",
        "From": f'"Ann" <sip:+15550111@partner.example>;tag=f{number}',
        "To": "<sip:+15550100@sbc.example>",
        "Call-ID": f"call-{number}@partner",
        "CSeq": f"1 {method}",
    }
    if method == "INVITE":
        headers |= {"Contact": "<sip:ann@192.0.2.1:5071;transport=tls>", "User-to-User": ECHO, "Content-Type": "application/sdp"}
    headers |= {_header(name): value for name, value in changed.items()}
    lines = [f"{method} {uri} SIP/2.0", *(f"{name}: {value}" for name, value in headers.items() if name not in remove)]
    if "Content-Length" not in headers and "Content-Length" not in remove:
        lines.append(f"Content-Length: {len(body.encode())}")
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def an_invite(sdp: str = SDP, **changed: str | tuple[str, ...]) -> bytes:
    """An INVITE that the simulator takes, with changes."""
    return a_request("INVITE", sdp, **changed)  # type: ignore[arg-type]


def _header(name: str) -> str:
    spelled = {"call_id": "Call-ID", "cseq": "CSeq", "user_to_user": "User-to-User", "rack": "RAck", "rseq": "RSeq", "min_se": "Min-SE"}
    return spelled.get(name, "-".join(word.capitalize() for word in name.split("_")))


def an_answer(request: Request, status: int, body: str = "", tag: str = "", **extra: str) -> bytes:
    """The partner's response to a request of ours; `tag` is added to To (`extra`: rseq=...)."""
    lines = [f"SIP/2.0 {status} Told"]
    for item in request.headers:
        if item.name in ("Via", "From", "To", "Call-ID", "CSeq"):
            lines.append(f"{item.name}: {item.value}{f';tag={tag}' if tag and item.name == 'To' else ''}")
    lines += ["Contact: <sip:ann@192.0.2.1:5071;transport=tls>", *(f"{_header(name)}: {value}" for name, value in extra.items())]
    lines += ["Content-Type: application/sdp"] if body else []
    return ("\r\n".join([*lines, f"Content-Length: {len(body)}"]) + "\r\n\r\n" + body).encode()


def an_environment(ports: int = 100, reports: dict[str, LegReport] | None = None) -> Environment:
    """Ports from a counter, chance from another, media reports from a dictionary: what the media plane would say."""
    tokens = itertools.count(1)
    free = iter(range(31000, 31000 + 2 * ports, 2))

    def open_media(call: str, region: str) -> MediaAddress | None:
        port = next(free, None)
        return None if port is None else MediaAddress("203.0.113.5", port, port + 1)

    return Environment(
        open_media=open_media,
        read_media=lambda call: (reports if reports is not None else {}).get(call),
        new_token=lambda octets: f"{next(tokens):0{2 * octets}x}"[-2 * octets :],
        new_key=lambda octets: bytes((next(tokens) + i) % 256 for i in range(octets)),
    )


def a_peer(host: str = "192.0.2.1", port: int = 40001) -> Peer:
    return Peer(host, port, "203.0.113.5", 5061, tls=TlsFacts("TLSv1.3", "TLS_AES_256_GCM_SHA384"))


@dataclass
class Exchange:
    """A switchboard, a clock, and everything that came out of it."""

    policy: Policy = field(default_factory=Policy)
    limits: Limits = field(default_factory=lambda: Limits(ring_seconds=0.0))
    environment: Environment = field(default_factory=an_environment)
    now: float = 1_700_000_000.0

    def __post_init__(self) -> None:
        self.switchboard = Switchboard(self.policy, self.limits, Identity("sbc.example", 5061), self.environment)
        self.entries: list[Entry] = []
        self.outputs: list[Output] = []
        self.lines: dict[int, Line] = {}

    def line(self, peer: Peer | None = None, number: int | None = None) -> Line:
        """A partner connects."""
        line = Line(self, number if number is not None else len(self.lines) + 1)
        self.lines[line.number] = line
        self.took(self.switchboard.connected(line.number, peer or a_peer(), self.now))
        return line

    def wait(self, seconds: float) -> None:
        """Let time pass, alarm by alarm."""
        end = self.now + seconds
        while (deadline := self.switchboard.deadline) is not None and deadline <= end:
            self.now = max(self.now, deadline)
            self.took(self.switchboard.advance(self.now))
        self.now = end

    def took(self, outputs: list[Output]) -> None:
        self.outputs += outputs
        for output in outputs:
            if isinstance(output, Record):
                self.entries.append(output.entry)
            elif isinstance(output, Send) and output.connection in self.lines:
                self.lines[output.connection].got(output.data)
            elif isinstance(output, Close) and output.connection in self.lines:
                self.lines[output.connection].closed = output.why

    def told(self, kind: Kind) -> list[Entry]:
        return [entry for entry in self.entries if entry.kind is kind]

    def verdict(self) -> dict[str, object]:
        """The last verdict."""
        return dict(self.told(Kind.VERDICT)[-1].data)

    def rules(self, status: str) -> set[str]:
        """Rules of that status in the last verdict."""
        findings = self.told(Kind.VERDICT)[-1].data["findings"]
        return {finding["rule"] for finding in findings if finding["status"] == status}

    def started_media(self) -> list[StartMedia]:
        return [o for o in self.outputs if isinstance(o, StartMedia)]

    def stopped_media(self) -> list[StopMedia]:
        return [o for o in self.outputs if isinstance(o, StopMedia)]

    def dialled(self) -> list[Connect]:
        return [o for o in self.outputs if isinstance(o, Connect)]


class Line:
    """One connection of a partner: what it sends and what it gets."""

    def __init__(self, exchange: Exchange, number: int) -> None:
        self.exchange = exchange
        self.number = number
        self.messages: list[Request | Response] = []
        self.raw = b""
        self.closed: str | None = None
        self._stream = MessageStream()
        self._told = 0

    def got(self, data: bytes) -> None:
        self.raw += data
        self.messages += [event for event in self._stream.feed(data) if isinstance(event, Request | Response)]

    def send(self, data: bytes) -> list[Request | Response]:
        """Send octets; return the messages that came back at once."""
        before = len(self.messages)
        self.exchange.took(self.exchange.switchboard.receive(self.number, data, self.exchange.now))
        return self.messages[before:]

    def statuses(self, data: bytes) -> list[int]:
        return [message.status for message in self.send(data) if isinstance(message, Response)]

    def final(self, data: bytes) -> Response:
        """Send a request and return the one final answer."""
        finals = [m for m in self.send(data) if isinstance(m, Response) and m.status >= 200]
        assert len(finals) == 1, finals
        return finals[0]

    def call(self, invite: bytes | None = None) -> Placed:
        """Place a call up to the ACK."""
        placed = Placed(self, invite or an_invite())
        assert placed.ok.status == 200, placed.ok
        self.send(placed.request("ACK", cseq=placed.sequence))
        return placed

    def lose(self) -> None:
        self.exchange.took(self.exchange.switchboard.lost(self.number, "reset by the peer", self.exchange.now))


class Placed:
    """A call that a partner placed, for requests within its dialog."""

    def __init__(self, line: Line, invite: bytes) -> None:
        self.line = line
        self.invite = MessageStream().feed(invite)[0]
        assert isinstance(self.invite, Request)
        self.ok = line.final(invite)
        self.sequence = 1
        self.to = self.ok.headers.first("To") or ""

    def request(self, method: str, body: str = "", cseq: int | None = None, **changed: str) -> bytes:
        """A request within the dialog with the next CSeq."""
        if cseq is None:
            self.sequence += 1
            cseq = self.sequence
        own = self.invite.headers
        fields = {"From": own.first("From") or "", "To": self.to, "call_id": own.first("Call-ID") or "", "cseq": f"{cseq} {method}"}
        contact = self.ok.headers.first("Contact") or "<sip:x@y>"
        extra = {"Contact": own.first("Contact") or "", "Content-Type": "application/sdp"} if body else {}
        remove = ("User-to-User",) if method == "INVITE" else ()
        return a_request(method, body, remove, contact.strip("<>"), **{**fields, **extra, **changed})

    def send(self, method: str, body: str = "", **changed: str) -> list[Request | Response]:
        return self.line.send(self.request(method, body, **changed))

    def final(self, method: str, body: str = "", **changed: str) -> Response:
        return self.line.final(self.request(method, body, **changed))
