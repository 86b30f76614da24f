"""Test numbers: what a call gets by the user part of its Request-URI alone, as test cards are for payments.

Four digits, or a name; the digits also behind +1555 or 00. Only a whole user part counts: +15551000000 is an ordinary number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sbc_sim.calls.fault_types import FAULT_TYPES, Value
from sbc_sim.calls.faults import Fault

ECHO, AGENT = "echo", "agent"
OTHER_NUMBERS = "the agent when the JSON in User-to-User names an org (not that of the echo test), else the echo"
"""What a number gets that is no test number."""
_DIGITS = re.compile(r"(?:\+1555|00)?([0-9]{4})")
_SEPARATORS = re.compile(r"[-.()\s]")


@dataclass(frozen=True, slots=True)
class TestNumber:
    """One line of the table."""

    __test__ = False  # pytest would collect it

    name: str
    """Also a user part that reaches it; in the call JSON as `scenario`."""
    number: str
    """Four digits, or any other user part that settings add."""
    does: str
    """What a call to it gets, as a sentence without its subject."""
    reaches: str = ECHO
    """Who answers: the echo or the agent."""
    faults: tuple[tuple[str, Value], ...] = field(default=())
    """What is done wrong on purpose: type and value; None: the usual one."""

    def made(self) -> tuple[Fault, ...]:
        """Its faults, with a seed of the number's own."""
        seed = int(self.number) if self.number.isdecimal() else 0
        return tuple(
            Fault(self.name, FAULT_TYPES[kind], FAULT_TYPES[kind].usual if value is None else value, seed, by=f"number {self.number}")
            for kind, value in self.faults
        )


def _faulty(number: str, kind: str, does: str, value: Value = None, reaches: str = ECHO) -> TestNumber:
    return TestNumber(kind, number, does, reaches, ((kind, value),))


NUMBERS: tuple[TestNumber, ...] = (
    TestNumber(ECHO, "1000", "Echo, whatever the User-to-User header says"),
    _faulty("1001", "slow-answer", "Rings for 5 s, then answers: the echo", 5.0),
    _faulty("1002", "early-media", "183 with SDP and a ringing tone for 3 s, then 200: the echo", 3.0),
    _faulty("1003", "bye-after", "Echo; BYE from our side 5 s after the ACK", 5.0),
    _faulty("1004", "bye-at-once", "200, and BYE right after the ACK"),
    _faulty("1005", "no-bye-answer", "Echo; your BYE is not answered"),
    _faulty("1006", "reset", "Echo; the TCP connection is dropped with RST 2 s after the ACK", 2.0),
    _faulty("1007", "hold", "Echo; on hold by re-INVITE (sendonly) 2 s after the ACK, resumed 2 s later", 2.0),
    _faulty("1008", "session-refresh", "Echo; the session is refreshed by UPDATE or re-INVITE 2 s after the ACK", 2.0),
    _faulty("1010", "one-way", "200, but no audio comes from our side", "out"),
    _faulty("1011", "wrong-key", "Echo under another SRTP key than the answer names"),
    _faulty("1012", "loss", "Echo with 5 % of the packets lost", 0.05),
    _faulty("1013", "jitter", "Echo with up to 60 ms of jitter", 60.0),
    _faulty("1014", "reorder", "Echo with 5 % of the packets overtaken by the next", 0.05),
    _faulty("1015", "delay", "Echo 400 ms late", 400.0),
    _faulty("1016", "burst", "Echo with five packets in a row lost about once a second", 5.0),
    _faulty("1017", "duplicate", "Echo with 5 % of the packets sent twice", 0.05),
    _faulty("1020", "tls-certificate", "Echo; the server certificate is renewed while the call is up"),
    TestNumber(AGENT, "2000", "Agent: greets, listens, answers and escalates as its scenario says", AGENT),
    TestNumber("agent-escalates", "2001", "Agent that escalates at once", AGENT, (("escalate", 0.0),)),
    _faulty("3020", "redirect", "302 Moved Temporarily with the echo as Contact"),
    _faulty("4080", "no-answer", "180, and no answer until you send CANCEL"),
    _faulty("4081", "silence", "100, and then nothing: 408 on your side, or your CANCEL"),
    _faulty("4800", "unavailable", "480 Temporarily Unavailable"),
    _faulty("4860", "busy", "486 Busy Here"),
    _faulty("5030", "overload", "503 Service Unavailable with Retry-After: 10", 10.0),
)


class NumberTable:
    """Finds the test number of a user part."""

    def __init__(self, numbers: Iterable[TestNumber] = NUMBERS, more: Mapping[str, str] | None = None) -> None:
        """`more`: further user parts by the name or number that they stand for (settings)."""
        self.numbers = tuple(numbers)
        self._by_name = {one.name: one for one in self.numbers}
        self._by_number = {one.number: one for one in self.numbers}
        self._more = {_plain(user): self._known(meant) for user, meant in (more or {}).items()}

    def _known(self, meant: str) -> TestNumber:
        """Find what a further number stands for. Raises ValueError."""
        found = self._by_name.get(meant) or self._by_number.get(meant)
        if found is None:
            raise ValueError(f"{meant!r} is no test number: there are {', '.join(self._by_name)}")
        return found

    def told(self) -> list[dict[str, Any]]:
        """Give the table as JSON: test numbers in order, with further user parts that stand for them."""
        return [
            {
                "number": one.number,
                "name": one.name,
                "does": one.does,
                "reaches": one.reaches,
                "faults": [{"type": fault.type.name, "value": fault.value} for fault in one.made()],
                "also": [user for user, meant in self._more.items() if meant is one],
            }
            for one in self.numbers
        ]

    def find(self, user: str) -> TestNumber | None:
        """Find the test number that a user part is, parameters and separators left aside; None for any other."""
        plain = _plain(user)
        known = self._more.get(plain) or self._by_name.get(user.strip().lower())
        if known is not None:
            return known
        digits = _DIGITS.fullmatch(plain)
        return self._by_number.get(digits[1]) if digits else None


def _plain(user: str) -> str:
    return _SEPARATORS.sub("", user.partition(";")[0])
