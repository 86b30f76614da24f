"""What judging and comparing may cost: traces that were made to be expensive, and a time that ends."""

from __future__ import annotations

from collections.abc import Callable
from time import process_time

import pytest

from sbc_sim.offline.attempts import MOST_HEARD, MOST_LEGS, sort_out
from sbc_sim.offline.compare import compare
from sbc_sim.offline.framing import Spoken, framed
from sbc_sim.offline.judge import judge
from sbc_sim.rules.policy import Policy
from sbc_sim.sip.stream import StreamLimits
from sbc_sim.traces.recording import Flow, Octets, Recording
from tests.support.recorded import PARTNER, SBC, RecordedCall, a_flow

LIMITS = StreamLimits(1 << 15, 1 << 16, 2048)
AT = 1_700_000_000.0


@pytest.fixture(scope="module")
def call() -> RecordedCall:
    call = RecordedCall(seconds=3.0)
    call.run()
    return call


def request(method: str, tag: str, number: int = 1, to: str = "") -> bytes:
    return (
        f"{method} sip:echo@h SIP/2.0\r\nFrom: <sip:a@b>;tag={tag}\r\nTo: <sip:echo@h>{to}\r\n"
        f"Call-ID: c\r\nCSeq: {number} {method}\r\nContent-Length: 0\r\n\r\n"
    ).encode()


def over_one_flow(*messages: bytes) -> Recording:
    return Recording((a_flow(),), tuple(Octets(AT + n * 0.001, 1, True, message) for n, message in enumerate(messages)))


def over_many_flows(number: int) -> Recording:
    flows = tuple(Flow(n, "tcp", PARTNER, (SBC[0], 10_000 + n), AT) for n in range(1, number + 1))
    return Recording(flows, tuple(Octets(AT + n * 0.001, n, True, request("INVITE", "t")) for n in range(1, number + 1)))


def cost(spoken: list[Spoken]) -> float:
    """CPU seconds of sorting them, the least of three."""
    tries = []
    for _ in range(3):
        began = process_time()
        sort_out(spoken)
        tries.append(process_time() - began)
    return min(tries)


def test_many_legs_of_one_call_cost_as_much_each_as_few() -> None:
    few, many = (framed(over_one_flow(*(request("INVITE", f"t{n}") for n in range(m))), LIMITS).spoken for m in (250, 4000))
    assert len(sort_out(many).attempts) == 4000
    assert cost(many) < 60 * cost(few)  # 16 times as many; looking through all legs for each takes 256 times as long


def test_legs_with_the_same_tag_are_bounded_and_what_is_left_out_is_told() -> None:
    judged = judge(over_many_flows(MOST_LEGS + 7), Policy())
    assert len(judged.calls) == MOST_LEGS
    assert f"7 INVITEs were left out: they lead to more than {MOST_LEGS} places with one Call-ID and tag." in judged.notes


def test_messages_of_one_attempt_are_bounded_and_what_is_left_out_is_told() -> None:
    more = [request("INFO", "t", 2, ";tag=x")] * (MOST_HEARD + 10)
    found = sort_out(framed(over_one_flow(request("INVITE", "t"), *more), LIMITS).spoken)
    assert len(found.attempts[0].heard) == MOST_HEARD
    assert list(found.notes()) == [f"Call-ID c: only its first {MOST_HEARD} messages were looked at, 11 more were left out."]


def asked(times: int) -> Callable[[], bool]:
    """Make a time that is over when it was asked after so often."""
    left = times

    def spent() -> bool:
        nonlocal left
        left -= 1
        return left < 0

    return spent


def test_judging_ends_with_a_note_wherever_the_time_ends(call: RecordedCall) -> None:
    recording = call.recording()
    whole = judge(recording, Policy())
    ended = 0
    for times in range(12):
        judged = judge(recording, Policy(), spent=asked(times))
        told = any("The time allowed for the trace is over: 0 of its 1 calls were judged." in note for note in judged.notes)
        assert told == (not judged.calls)
        ended += told
    assert ended >= 3, "the time ended before, in the middle of and behind the media"
    assert judge(recording, Policy(), spent=lambda: False).notes == whole.notes


def test_comparing_ends_with_a_note_wherever_the_time_ends() -> None:
    many = over_one_flow(*(request("INVITE", f"t{n}") for n in range(60)))
    found = []
    for times in range(0, 30, 3):
        comparison = compare(many, many, spent=asked(times))
        found.append(len(comparison.calls))
        assert any("The time allowed for the traces is over" in note for note in comparison.notes) == (found[-1] < 60)
    assert found == sorted(found)
    assert (found[0], found[-1]) == (0, 60)
    assert any(0 < number < 60 for number in found)
    assert len(compare(many, many, spent=lambda: False).calls) == 60
