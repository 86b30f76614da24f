"""A caller of many calls at once over one TLS connection: signalling only, as a partner's SBC behind a proxy does it.

It notes every final answer to every INVITE, so that a test can say that no call was answered twice.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.end_to_end.clients.call import ECHO_UUI
from tests.end_to_end.clients.conversation import PATIENCE
from tests.end_to_end.raw_sip import invite, request


@dataclass
class Placed:
    """One call as its caller saw it."""

    name: str
    statuses: list[int] = field(default_factory=list)
    """Of each final answer to the INVITE, without repetitions of the same one."""
    tags: set[str] = field(default_factory=set)
    """To tags of all 2xx: more than one means that it was answered twice."""
    contact: str = ""
    routes: list[str] = field(default_factory=list)
    ended_by_server: bool = False
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def sip_call_id(self) -> str:
        return f"{self.name}@partner.example"

    @property
    def answered(self) -> bool:
        return bool(self.tags)

    @property
    def server(self) -> int:
        """Port of the server that answered."""
        found = re.search(r":(\d+)(?:;|$)", self.contact)
        assert found, self.contact
        return int(found.group(1))


class Caller:
    """One connection to the proxy, and all the calls on it."""

    def __init__(self, port: int, ca: Path) -> None:
        self._port, self._ca = port, ca
        self._answers: dict[tuple[str, str], asyncio.Future[int]] = {}
        self.calls: dict[str, Placed] = {}

    async def __aenter__(self) -> Caller:
        context = ssl.create_default_context(cafile=str(self._ca))
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, ssl=context, server_hostname="localhost")
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._reading.cancel()
        self._writer.transport.abort()

    async def place(self, name: str) -> Placed:
        """Place a call and wait for its final answer; a 2xx is acknowledged."""
        call = self.calls[f"{name}@partner.example"] = Placed(name)
        await self._ask(call, "INVITE", invite(name, ECHO_UUI))
        return call

    async def hang_up(self, call: Placed) -> int:
        """Send BYE by the recorded route and return the status of its answer."""
        return await self._ask(call, "BYE", self._within(call, "BYE", 2))

    def _within(self, call: Placed, method: str, cseq: int) -> bytes:
        headers = [f"Route: {route}" for route in call.routes]
        uri = call.contact.partition(";")[0]
        return request(method, call.name, headers, cseq=cseq, to_tag=f";tag={next(iter(call.tags))}", uri=uri)

    async def _ask(self, call: Placed, method: str, octets: bytes) -> int:
        answer = self._answers[call.sip_call_id, method] = asyncio.get_running_loop().create_future()
        self._writer.write(octets)
        return await asyncio.wait_for(answer, PATIENCE)

    async def _read(self) -> None:
        while True:
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode().lstrip("\r\n")
            length = re.search(r"(?im)^content-length\s*:\s*(\d+)", head)
            if length and int(length.group(1)):
                await self._reader.readexactly(int(length.group(1)))
            if not head:
                continue
            if head.startswith("SIP/2.0 "):
                self._response(head)
            else:
                self._request(head)

    def _response(self, head: str) -> None:
        status, (sip_call_id, cseq) = int(head[8:11]), (_header(head, "Call-ID"), _header(head, "CSeq"))
        method, call = cseq.split()[1], self.calls[sip_call_id]
        if status < 200:
            return
        if method == "INVITE":
            self._answered(call, status, head)
        answer = self._answers.get((sip_call_id, method))
        if answer is not None and not answer.done():
            answer.set_result(status)

    def _answered(self, call: Placed, status: int, head: str) -> None:
        if status >= 300:
            call.statuses.append(status)
            self._writer.write(request("ACK", call.name, to_tag=_tag(head), uri="sip:5550100@localhost").replace(b"-ACK;", b"-INVITE;"))
            return
        tag = _tag(head).removeprefix(";tag=")
        if tag not in call.tags:
            call.tags.add(tag)
            call.statuses.append(status)
            call.contact = _header(head, "Contact").strip("<>")
            call.routes = list(reversed(re.findall(r"(?im)^Record-Route\s*:\s*(.*?)\s*$", head)))
        self._writer.write(self._within(call, "ACK", 1))

    def _request(self, head: str) -> None:
        """Answer what a server asks by the proxy: a BYE ends the call."""
        method = head.split(" ", 1)[0]
        if method == "ACK":
            return
        kept = [line for line in head.split("\r\n")[1:] if re.match(r"(?i)(via|from|to|call-id|cseq|record-route)\s*:", line)]
        self._writer.write(("\r\n".join(["SIP/2.0 200 OK", *kept, "Content-Length: 0"]) + "\r\n\r\n").encode())
        call = self.calls.get(_header(head, "Call-ID"))
        if method == "BYE" and call is not None:
            call.ended_by_server = True
            call.over.set()


def _header(head: str, name: str) -> str:
    found = re.search(rf"(?im)^{name}\s*:\s*(.*?)\s*$", head)
    return found.group(1) if found else ""


def _tag(head: str) -> str:
    found = re.search(r";tag=[^;\s]+", _header(head, "To"))
    return found.group() if found else ""


def counted(calls: Mapping[str, Placed], which: Callable[[Placed], bool]) -> int:
    """How many of these are so."""
    return sum(which(call) for call in calls.values())
