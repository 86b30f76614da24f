"""What a conduct does to the protocol of one call: refusals on purpose, BYEs without an answer, hold. The partner's reaction is noted.

`Call` asks here at the places where its own way forks, and keeps its table of states.
"""

from __future__ import annotations

import re

from sbc_sim.calls.conduct import Answer, Conduct
from sbc_sim.calls.outbox import Outbox
from sbc_sim.calls.outputs import Environment
from sbc_sim.calls.session import Session
from sbc_sim.rtp.leg import Prompt
from sbc_sim.rtp.ringing import ringing_tone
from sbc_sim.rules.evidence import Evidence
from sbc_sim.rules.on_purpose import named
from sbc_sim.rules.provocation import Provocation
from sbc_sim.sip.dialog import Dialog
from sbc_sim.sip.effects import ClientTransaction, ServerTransaction
from sbc_sim.sip.message import Response
from sbc_sim.sip.server_side import Extra
from sbc_sim.sip.user_agent import UserAgent

LONGEST_RING_S = 190.0
"""A call that is never answered is given up after this: a proxy's timer C ends it after 180 s at the latest (16.8)."""
LOOK_AFTER_S = 0.5
"""Media that comes so long after an ignored BYE was on its way."""
IGNORED_S = 5.0
"""So long a BYE is ignored and media is looked at; then the verdict is given, still without an answer."""
GLARE_S = 1.0
"""Before a re-INVITE is tried again after 491; whoever did not make the Call-ID waits up to 2 s (14.1)."""
MOST_IGNORED = 20
ECHO_USER = "1000"
_DIRECTION = re.compile(rb"^a=(sendrecv|sendonly|recvonly|inactive)[ \t]*\r?$", re.MULTILINE)


class Provoking:
    """The forks of one call."""

    def __init__(self, conduct: Conduct, evidence: Evidence, agent: UserAgent, outbox: Outbox, environment: Environment) -> None:
        """Begin when the conduct was chosen."""
        self.conduct = conduct
        self._evidence = evidence
        self._agent = agent
        self._outbox = outbox
        self._read_media = environment.read_media
        self._ignored: list[ServerTransaction] = []
        self._look_at: float | None = None
        self._until: float | None = None
        self._packets = 0
        self._reinvite: ClientTransaction | None = None
        self._held = False
        self._again_at: float | None = None
        seen = self.seen
        seen.faults, seen.waited, seen.retried = conduct.faults, conduct.waited, conduct.retried
        seen.unanswered = conduct.silent or conduct.never_answer

    @property
    def seen(self) -> Provocation:
        """What was noted."""
        return self._evidence.provocation

    @property
    def deadline(self) -> float | None:
        """When something is due next; while a BYE is ignored no re-INVITE is sent any more."""
        waits = (self._again_at,) if self._until is None else (self._look_at, self._until)
        return min((at for at in waits if at is not None), default=None)

    # --- before the answer -------------------------------------------------------------------------------------------

    def refusal(self, answer: Answer, transaction: ServerTransaction, warn_host: str) -> Extra:
        """Header fields of a refusal on purpose: what the status demands, and a Warning that says whose doing it is (20.43)."""
        headers = answer.headers
        if 300 <= answer.status < 400 and not any(name == "Contact" for name, _ in headers):
            secure = transaction.request.uri.lower().startswith("sips:")
            headers = (*headers, ("Contact", self._agent.contact(transaction.connection, ECHO_USER, secure)))
        return (*headers, ("Warning", f'399 {warn_host} "{answer.status} on purpose: {self.cause}; no rule was broken"'))

    @property
    def cause(self) -> str:
        """Name the first fault in words."""
        return named(self.conduct.faults[0]) if self.conduct.faults else "a fault"

    def ringing(self) -> Prompt:
        """Give the tone that is heard before the answer."""
        return Prompt("ringing", ringing_tone(self.conduct.ring_seconds or 0.0))

    # --- BYE without an answer ---------------------------------------------------------------------------------------

    def ignore(self, transaction: ServerTransaction, now: float) -> None:
        """Leave a BYE without an answer, and look whether media stops."""
        self.seen.byes += 1
        if len(self._ignored) < MOST_IGNORED:
            self._ignored.append(transaction)
        if self._until is None:
            self._look_at, self._until = now + LOOK_AFTER_S, now + IGNORED_S

    def ignored_long_enough(self, now: float) -> bool:
        """Look at the media when it is time; true when enough was seen."""
        if self._look_at is not None and now >= self._look_at:
            self._look_at, self._packets = None, self._received()
        if self._until is None or now < self._until:
            return False
        self.seen.packets_after_bye = self._received() - self._packets
        return True

    def leave(self) -> None:
        """Forget what was ignored: it is never answered."""
        self._until = self._look_at = None
        for transaction in self._ignored:
            self._agent.server.leave(transaction)
        self._ignored.clear()

    def _received(self) -> int:
        report = self._read_media(self._evidence.leg.call) if self._evidence.leg is not None else None
        return report.packets_received if report is not None else 0

    def came_back(self, now: float) -> None:
        """Note a request of the dialog: after a reset it came on another connection."""
        if self.seen.reset_at is not None and self.seen.back_at is None:
            self.seen.back_at = now

    # --- hold --------------------------------------------------------------------------------------------------------

    def hold(self, held: bool, dialog: Dialog, session: Session, now: float) -> None:
        """Put the call on hold by re-INVITE, or resume it; later when another INVITE of ours is under way (14.1)."""
        self._held, self._again_at = held, None
        if self._agent.client.invite_pending(dialog):
            self._again_at = now + GLARE_S
            return
        self.seen.hold_asked |= held
        self._reinvite, effects = self._agent.client.request(dialog, "INVITE", now, (), session.offer(held))
        self._outbox.carry(effects, now)

    def try_again(self, dialog: Dialog, session: Session, now: float) -> None:
        """Send a re-INVITE again that had to wait."""
        if self._again_at is not None and now >= self._again_at:
            self.hold(self._held, dialog, session, now)

    def owns(self, transaction: ClientTransaction) -> bool:
        """Tell whether a request of ours is the re-INVITE."""
        return transaction is self._reinvite

    def held(self, response: Response, over: bool, now: float) -> str:
        """Take the final answer to the re-INVITE; give what the partner did wrong, for resuming only: hold has a rule of its own.

        `over`: the dialog was being ended by then, so a refusal says nothing of holding.
        """
        self._reinvite = None
        if over and response.status >= 300:
            return ""
        if response.status == 491:
            self._again_at = now + GLARE_S
            return ""
        if not self._held:
            return f"our re-INVITE that resumes the call was answered {response.status}" if response.status >= 300 else ""
        self.seen.hold_status = response.status
        directions = _DIRECTION.findall(response.body)
        self.seen.hold_direction = directions[-1].decode() if directions else ""
        return ""

    def unanswered(self, over: bool) -> None:
        """No answer to the re-INVITE came; none could when we dropped the connection, and none is owed in a dialog that is `over`."""
        self._reinvite = None
        if self._held and not over and self.seen.reset_at is None:
            self.seen.hold_status = 408
