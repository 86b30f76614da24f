"""What every call of a switchboard shares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sbc_sim.calls.escalation_settings import EscalationPlan
from sbc_sim.calls.limits import Limits
from sbc_sim.calls.outbox import Outbox
from sbc_sim.calls.outputs import Environment
from sbc_sim.calls.record_links import RecordLinks
from sbc_sim.rules.finding import Finding, Refusal
from sbc_sim.rules.policy import Policy
from sbc_sim.rules.warning import warning_text
from sbc_sim.sip.server_side import Extra
from sbc_sim.sip.user_agent import UserAgent

if TYPE_CHECKING:
    from sbc_sim.calls.escalation import Escalation
    from sbc_sim.calls.escalation_plan import Target


def _nothing(*_: object) -> None:
    """Do nothing: for who gives no call back."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What every call of a switchboard shares."""

    agent: UserAgent
    outbox: Outbox
    policy: Policy
    limits: Limits
    environment: Environment
    warn_host: str
    plan: EscalationPlan = field(default_factory=EscalationPlan)
    """How calls are given back."""
    give_back: Callable[[Escalation, Target, float], None] = _nothing
    """Open a connection for the call back of an escalation, which is then told `connected` or `unreachable`."""
    watch: Callable[[Escalation, float], None] = _nothing
    """Begin the partner check of an escalation whose first leg has ended."""
    links: RecordLinks = field(default_factory=lambda: RecordLinks(None, None))
    """The voice calls that calls name."""

    def refusal_headers(self, finding: Finding, refusal: Refusal) -> Extra:
        """Headers of a refusal: what the status demands, and the rule in a Warning (RFC 3261 section 20.43)."""
        warning = f'{refusal.warn_code} {self.warn_host} "{warning_text(finding)}"'
        return (*refusal.headers, ("Warning", warning))
