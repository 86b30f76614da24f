"""What a placed call is told to have met, by what came back of its audio."""

from __future__ import annotations

import pytest

from sbc_sim.partner.partner_call import CallResult
from sbc_sim.placing import CameBack, came_back, complaints
from sbc_sim.rtp.play import EchoProof

ECHO = EchoProof(sent=100, returned=100, identical=100)
LOSSY = EchoProof(sent=100, returned=80, identical=80, lost=20)
DOUBLED = EchoProof(sent=100, returned=105, identical=100, altered=5)
CHANGED_IN_PART = EchoProof(sent=100, returned=100, identical=60, altered=40, lost=40)
SPEECH = EchoProof(sent=100, returned=120, identical=0, altered=120, lost=100)
SPEECH_WITH_SILENCE = EchoProof(sent=100, returned=120, identical=4, altered=116, lost=96)
NOTHING = EchoProof(sent=100, lost=100)


def answered(proof: EchoProof | None, *problems: str) -> CallResult:
    return CallResult("c1", status=200, answered_at=1.0, proof=proof, problems=list(problems))


@pytest.mark.parametrize(
    ("proof", "what", "passes"),
    [
        (None, CameBack.NOTHING, ()),
        (NOTHING, CameBack.NOTHING, ()),
        (ECHO, CameBack.ECHO, ("echo", "any")),
        (LOSSY, CameBack.PART, ("any",)),
        (DOUBLED, CameBack.PART, ("any",)),
        (CHANGED_IN_PART, CameBack.PART, ("any",)),
        (SPEECH, CameBack.OTHER, ("agent", "any")),
        (SPEECH_WITH_SILENCE, CameBack.OTHER, ("agent", "any")),
    ],
)
def test_a_call_passes_when_who_answered_is_who_was_expected(proof: EchoProof | None, what: CameBack, passes: tuple[str, ...]) -> None:
    assert came_back(proof) is what
    assert tuple(expect for expect in ("echo", "agent", "any") if not complaints(answered(proof), expect)) == passes


def test_somebody_who_speaks_is_told_apart_from_a_damaged_echo() -> None:
    assert "no echo, but somebody who speaks: 120 packets came, none of them what was sent" in complaints(answered(SPEECH))[0]
    assert "the echo is not what was sent: 60 of 100 frames unchanged, 40 altered, 40 lost" in complaints(answered(CHANGED_IN_PART))


@pytest.mark.parametrize("expect", ["echo", "agent", "any"])
def test_other_problems_and_no_answer_are_told_whoever_was_expected(expect: str) -> None:
    assert "the answer cannot be read" in complaints(answered(ECHO, "the answer cannot be read"), expect)
    assert complaints(CallResult("c1"), expect) == ["the call was not answered"]
