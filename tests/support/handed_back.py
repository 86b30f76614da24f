"""An SBC that gives a call back, and the partner's answerer, joined without sockets: our own caller plays the SBC here."""

from __future__ import annotations

from dataclasses import dataclass, field

from sbc_sim.partner.answered_call import AnswerPlan, AnswerResult
from sbc_sim.partner.answerer import Answerer
from sbc_sim.rtp.play import EchoProof
from tests.support.joined import Joined


@dataclass
class HandedBack(Joined):
    """As `Joined`, with an answerer in the place of the switchboard."""

    plan: AnswerPlan = field(default_factory=AnswerPlan)
    wanted: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.answerer = Answerer(self.plan, self.sbc.environment(), _no_proof, self.policy, self.wanted)
        self.switchboard = _Alive(self.answerer)  # type: ignore[assignment]
        self.sbc.core = self.answerer

    @property
    def taken(self) -> AnswerResult:
        """The one call that was offered."""
        (result,) = self.answerer.results
        return result


class _Alive:
    """The answerer as `Joined` looks at a switchboard."""

    def __init__(self, answerer: Answerer) -> None:
        self._answerer = answerer
        self.connected = answerer.connected

    @property
    def live_calls(self) -> int:
        return sum(not call.over for call in self._answerer.calls)


def _no_proof(call: str) -> EchoProof | None:
    return None
