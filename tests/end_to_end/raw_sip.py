"""SIP octets over TLS by hand: what no real client would send, and just enough reading to tell what came back."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.end_to_end.clients.conversation import PATIENCE


@dataclass(frozen=True)
class Answer:
    """One response."""

    status: int
    head: str
    body: bytes

    def header(self, name: str) -> str | None:
        """The first header field of that name."""
        found = re.search(rf"(?im)^{re.escape(name)}\s*:\s*(.*?)\s*$", self.head)
        return found.group(1) if found else None


class RawSip:
    """One TLS connection to the server."""

    def __init__(self, plain: socket.socket, context: ssl.SSLContext, name: str = "localhost") -> None:
        # A close without close_notify must show: it is not clean.
        self._socket = context.wrap_socket(plain, server_hostname=name, suppress_ragged_eofs=False)
        self._rest = b""

    def send(self, octets: bytes) -> None:
        """Send, as one write."""
        self._socket.sendall(octets)

    def answer(self) -> Answer | None:
        """The next response, provisional or final; None on a clean close. Requests from the server are passed over.

        Raises TimeoutError when nothing comes, ssl.SSLEOFError or ConnectionResetError on a close that is not clean.
        """
        while True:
            head, blank, after = self._rest.lstrip(b"\r\n").partition(b"\r\n\r\n")
            length = re.search(rb"(?im)^(?:content-length|l)\s*:\s*(\d+)", head) if blank else None
            if blank and len(after) >= (size := int(length.group(1)) if length else 0):
                self._rest = after[size:]
                if head.startswith(b"SIP/2.0 "):
                    return Answer(int(head[8:11]), head.decode("utf-8", "replace"), after[:size])
                continue
            if not (octets := self._socket.recv(65536)):
                assert not self._rest.strip(), f"closed in the middle of {self._rest!r}"
                return None
            self._rest += octets

    def request(self) -> str:
        """The head of the next request of the server; responses are passed over."""
        while True:
            head, blank, after = self._rest.lstrip(b"\r\n").partition(b"\r\n\r\n")
            length = re.search(rb"(?im)^(?:content-length|l)\s*:\s*(\d+)", head) if blank else None
            if blank and len(after) >= (size := int(length.group(1)) if length else 0):
                self._rest = after[size:]
                if not head.startswith(b"SIP/2.0 "):
                    return head.decode("utf-8", "replace")
                continue
            octets = self._socket.recv(65536)
            assert octets, "closed before a request came"
            self._rest += octets

    def final(self) -> Answer | None:
        """The next final response; None on a clean close."""
        while (answer := self.answer()) and answer.status < 200:
            pass
        return answer

    @property
    def certificate(self) -> bytes:
        """The server's certificate, DER."""
        return self._socket.getpeercert(binary_form=True) or b""

    def close(self) -> None:
        """Close at once."""
        self._socket.close()


@contextmanager
def connected(port: int, ca: Path, name: str = "localhost") -> Iterator[RawSip]:
    """A TLS connection that checks the server's certificate, which must be for `name` (SNI)."""
    context = ssl.create_default_context(cafile=str(ca))
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as plain:
        raw = RawSip(plain, context, name)
        try:
            yield raw
        finally:
            raw.close()


def request(
    method: str, name: str, headers: Sequence[str] = (), body: str = "", cseq: int = 1, to_tag: str = "", uri: str = "sip:5550100@localhost"
) -> bytes:
    """A well-formed request of the dialog or transaction `name`, which must be unique in the test. `to_tag` as in `;tag=x`."""
    lines = [
        f"{method} {uri};transport=tls SIP/2.0",
        f"Via: SIP/2.0/TLS 127.0.0.1:5061;branch=z9hG4bK-{name}-{cseq}-{method};rport",
        "Max-Forwards: 70",
        f"From: <sip:+15550111@localhost>;tag=from-{name}",
        f"To: <sip:5550100@localhost>{to_tag}",
        f"Call-ID: {name}@partner.example",
        f"CSeq: {cseq} {method}",
        "Contact: <sip:partner@127.0.0.1:5061;transport=tls>",
        *headers,
        f"Content-Length: {len(body.encode())}",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def invite(name: str, user_to_user: str, port: int = 40000, uri: str = "sip:5550100@localhost") -> bytes:
    """An INVITE that the server takes: PCMU, one SDES key, this User-to-User value."""
    sdp = (
        "v=0\r\no=partner 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        f"m=audio {port} RTP/SAVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\na=sendrecv\r\n"
    )
    return request("INVITE", name, headers=(f"User-to-User: {user_to_user}", "Content-Type: application/sdp"), body=sdp, uri=uri)
