"""One call that we place as the partner: INVITE with User-to-User, SRTP, listen to the echo, BYE.

It plays the other side of `calls.call.Call` on the same rooms, so both are tested against each other without sockets, and what is
true for the one side's SDP, dialogs and SRTP is true for the other's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sbc_sim.calls import telling
from sbc_sim.calls.session import Session, seen_by
from sbc_sim.journal.entries import Kind
from sbc_sim.partner.partner_call import Booth, PartnerCall
from sbc_sim.sip.body import sdp_body
from sbc_sim.sip.dialog import Dialog
from sbc_sim.sip.effects import ClientTransaction
from sbc_sim.sip.errors import InvalidInput, MalformedMessage
from sbc_sim.sip.message import Request, Response
from sbc_sim.sip.reliable import ReliableProvisionals
from sbc_sim.sip.server_side import Extra


class PlacedState(StrEnum):
    """Where a placed call stands."""

    WAITING = "waiting"
    """The connection is not open yet."""
    INVITING = "inviting"
    UP = "up"
    CANCELLING = "cancelling"
    ENDING = "ending"
    """Our BYE waits for its answer."""
    DONE = "done"


class PlacedInput(StrEnum):
    """What moves a placed call."""

    INVITE = "invite"
    SUCCESS = "success"
    FAILURE = "failure"
    HANG_UP = "hang-up"
    CANCEL = "cancel"
    PEER_BYE = "peer-bye"
    OVER = "over"
    LOST = "lost"
    """The connection is gone, or the user gave up."""


PLACED: Mapping[tuple[PlacedState, PlacedInput], PlacedState] = {
    (PlacedState.WAITING, PlacedInput.INVITE): PlacedState.INVITING,
    (PlacedState.WAITING, PlacedInput.FAILURE): PlacedState.DONE,
    (PlacedState.INVITING, PlacedInput.SUCCESS): PlacedState.UP,
    (PlacedState.INVITING, PlacedInput.FAILURE): PlacedState.DONE,
    (PlacedState.INVITING, PlacedInput.CANCEL): PlacedState.CANCELLING,
    # the 200 crossed our CANCEL: acknowledge, then BYE (RFC 3261 section 15)
    (PlacedState.CANCELLING, PlacedInput.SUCCESS): PlacedState.UP,
    (PlacedState.CANCELLING, PlacedInput.FAILURE): PlacedState.DONE,
    # no callee may BYE an early dialog (section 15), but one did: our INVITE still waits for its final answer
    (PlacedState.INVITING, PlacedInput.PEER_BYE): PlacedState.CANCELLING,
    (PlacedState.CANCELLING, PlacedInput.PEER_BYE): PlacedState.CANCELLING,
    (PlacedState.UP, PlacedInput.HANG_UP): PlacedState.ENDING,
    (PlacedState.UP, PlacedInput.PEER_BYE): PlacedState.DONE,
    (PlacedState.ENDING, PlacedInput.PEER_BYE): PlacedState.ENDING,
    (PlacedState.ENDING, PlacedInput.OVER): PlacedState.DONE,
    **{(state, PlacedInput.LOST): PlacedState.DONE for state in PlacedState if state is not PlacedState.DONE},
}

CANCEL_PATIENCE = 32.0
"""Seconds that a CANCEL may take to bring the final answer to the INVITE (RFC 3261 section 9.1)."""
LOOK = 0.5
"""Seconds between two looks at the media."""


@dataclass(frozen=True, slots=True)
class CallPlan:
    """What to dial and what to say. Times in seconds."""

    host: str
    port: int
    uri: str
    caller: str
    """From, a complete name-addr without tag."""
    called: str
    """To, a complete name-addr."""
    user_to_user: str | None
    """Whole header value; None leaves the header out."""
    seconds: float = 5.0
    """From the answer to our BYE."""
    awaits_bye: bool = False
    """The SBC is to end the call, as an agent does that escalates; our own BYE after `seconds` is a last resort then, and a problem."""
    sbc_may_end: bool = False
    """The SBC may end the call before us, as an agent does that has nothing more to say."""
    ring_seconds: float = 60.0
    """Longest wait for a final answer, then CANCEL."""
    extra: Extra = ()
    """Further header fields of the INVITE."""
    server_name: str = ""
    """SNI and the name that the certificate must show; empty: `host`."""
    suites: tuple[str, ...] = ("AES_CM_128_HMAC_SHA1_80",)
    contact: tuple[str, int] | None = None
    """Where we take calls ourselves: goes into Contact, so that a call can be given back there. None: our end of the connection."""


class PlacedCall(PartnerCall):
    """One call that we place."""

    def __init__(self, call_id: str, plan: CallPlan, booth: Booth) -> None:
        """Do nothing yet: `place` begins."""
        super().__init__(call_id, booth)
        self.state = PlacedState.WAITING
        self._plan = plan
        self._invite: ClientTransaction | None = None
        self._reliable = ReliableProvisionals(booth.agent.client)
        self._hang_up_at: float | None = None
        self._give_up_at: float | None = None

    @property
    def over(self) -> bool:
        """True when the result is complete."""
        return self.state is PlacedState.DONE

    # --- the beginning -----------------------------------------------------------------------------------------------

    def place(self, connection: int, now: float) -> None:
        """Send the INVITE on an open connection."""
        booth, plan = self._booth, self._plan
        self.result.started_at = now
        address = booth.environment.open_media(self.id, "")
        if address is None:
            self.fail(503, "no free UDP port for the media on our own side", now)
            return
        self._session = Session(self.id, seen_by(address, booth.agent.peer(connection)), booth.policy, booth.environment)
        extra = plan.extra if plan.user_to_user is None else (("User-to-User", plan.user_to_user), *plan.extra)
        self._move(PlacedInput.INVITE)
        self._invite, effects = booth.agent.client.invite(connection, plan.uri, plan.caller, plan.called, now, extra, self._session.offer())
        request = self._invite.request
        self.result.sip_call_id = request.headers.first("Call-ID") or ""
        booth.outbox.calls[(self.result.sip_call_id, "")] = self.id
        started = telling.started(request, booth.agent.peer(connection), connection)
        self._record(Kind.CALL_STARTED, now, {**started, "direction": "outbound"})
        self._give_up_at = now + plan.ring_seconds
        self._rearm()
        self._carry(effects, now)

    def fail(self, status: int, why: str, now: float) -> None:
        """Give up before a final answer: the connection or the port could not be had, or nobody answered."""
        self.result.status = status
        self.result.problems.append(why)
        self._move(PlacedInput.FAILURE)
        self._finish("network", why, now)

    # --- answers to us -----------------------------------------------------------------------------------------------

    def answered(self, transaction: ClientTransaction, response: Response, dialog: Dialog | None, now: float) -> None:
        """Take a response to our INVITE, BYE, CANCEL or PRACK."""
        if transaction is self._invite:
            self._invite_answered(transaction, response, dialog, now)
        elif transaction.request.method == "BYE" and response.status >= 200 and self.state is PlacedState.ENDING:
            self._bye_answered(response)
            self._move(PlacedInput.OVER)
            self._finish("partner", "normal", now)

    def _invite_answered(self, transaction: ClientTransaction, response: Response, dialog: Dialog | None, now: float) -> None:
        if response.status < 200:
            self._provisional(response, dialog, now)
        elif response.status >= 300:
            self._refused(response, now)
        elif dialog is not None:
            self._taken(transaction, response, dialog, now)

    def _provisional(self, response: Response, dialog: Dialog | None, now: float) -> None:
        """Acknowledge a reliable provisional response; the answer that it may bring holds once the call is taken."""
        if dialog is None:
            return
        try:
            self._carry(self._reliable.acknowledge(response, dialog, now), now)
        except MalformedMessage as error:
            self.result.problems.append(f"reliable {response.status}: {error}")

    def _refused(self, response: Response, now: float) -> None:
        self.result.status, self.result.reason = response.status, response.reason
        self.result.warning = response.headers.first("Warning")
        if self.state is not PlacedState.CANCELLING:
            self.result.problems.append(f"refused with {response.status} {response.reason}")
        self._move(PlacedInput.FAILURE)
        self._finish("sbc", "refused", now)

    def _taken(self, transaction: ClientTransaction, response: Response, dialog: Dialog, now: float) -> None:
        self._carry(self._booth.agent.client.acknowledge(transaction, dialog), now)
        if self.state not in (PlacedState.INVITING, PlacedState.CANCELLING):
            # A second fork answered: acknowledged above, and ended at once (13.2.2.4).
            self._carry(self._booth.agent.client.request(dialog, "BYE", now)[1], now)
            return
        cancelled = self.state is PlacedState.CANCELLING
        self._move(PlacedInput.SUCCESS)
        self.dialog = dialog
        self.result.status, self.result.reason = response.status, response.reason
        self.result.answered_at = now
        self._record(Kind.CALL_STATE, now, {"state": "answered"})
        if cancelled or not self._settle(self._reliable.answer(response, dialog), now):
            self.hang_up(now)
            return
        self._hang_up_at = now + self._plan.seconds
        self._give_up_at = None
        self._rearm()

    def _settle(self, response: Response, now: float) -> bool:
        """Take the answer; False when no media can come of it."""
        session = self._session
        assert session is not None
        try:
            sdp = sdp_body(response)
        except MalformedMessage as error:
            self.result.problems.append(f"the answer cannot be read: {error}")
            return False
        agreed = session.read_answer(sdp) if sdp is not None else None
        if sdp is None or agreed is None or not agreed.usable:
            why = "; ".join(p.detail for p in agreed.problems if p.fatal) if agreed else "the 200 carries no SDP"
            self.result.problems.append(f"the answer cannot be used: {why}")
            return False
        session.settle(sdp, agreed)
        self._start_media(agreed, now)
        return True

    def unanswered(self, transaction: ClientTransaction, status: int, why: str, now: float) -> None:
        """Give up a request of ours."""
        if transaction is self._invite and self.state in (PlacedState.INVITING, PlacedState.CANCELLING):
            self.fail(status, why, now)
        elif transaction.request.method == "BYE" and self.state is PlacedState.ENDING:
            self.result.problems.append(why)
            self._move(PlacedInput.OVER)
            self._finish("partner", "normal", now)

    # --- the SBC hangs up -----------------------------------------------------------------------------------------------

    def _peer_bye(self, bye: Request, now: float) -> None:
        before = self.state
        self._move(PlacedInput.PEER_BYE)
        if before is PlacedState.INVITING:
            self.result.problems.append("the SBC sent BYE before it answered, as only a caller may (RFC 3261 section 15)")
            self._cancel(now)
        elif before is PlacedState.UP:
            self._note_reason(bye)
            self._finish("sbc", "normal", now)

    def _note_reason(self, bye: Request) -> None:
        reason = bye.headers.first("Reason")
        allowed = self._plan.awaits_bye or self._plan.sbc_may_end
        if self.result.answered_at is not None and self._hang_up_at is not None and not allowed:
            self.result.problems.append(f"the SBC hung up first{f': {reason}' if reason else ''}")

    # --- the end -----------------------------------------------------------------------------------------------------

    def hang_up(self, now: float) -> None:
        """End the call: CANCEL while it rings, BYE when it is up."""
        if self.state is PlacedState.INVITING:
            self._move(PlacedInput.CANCEL)
            self._cancel(now)
        elif self.state is PlacedState.UP and self.dialog is not None:
            self._move(PlacedInput.HANG_UP)
            self._say_bye(now)
        self._rearm()

    def _cancel(self, now: float) -> None:
        assert self._invite is not None
        self._give_up_at = now + CANCEL_PATIENCE
        self._carry(self._booth.agent.client.cancel(self._invite, now), now)

    def abandon(self, why: str, now: float) -> None:
        """End without a word: there is nobody to say it to."""
        self.result.problems.append(why)
        if self.result.status is None:
            self.result.status = 503
        self._move(PlacedInput.LOST)
        self._finish("network", why, now)

    def advance(self, now: float) -> None:
        """Do what is due: hang up, or give up."""
        if self.state is PlacedState.UP and self._hang_up_at is not None and now >= self._hang_up_at:
            self._hang_up_at = None
            if self._plan.awaits_bye:
                self.result.problems.append(f"the SBC did not hang up within {self._plan.seconds:g} s")
            self.hang_up(now)
        elif self._give_up_at is not None and now >= self._give_up_at:
            self._give_up_at = None
            if self.state is PlacedState.INVITING:
                self.result.problems.append(f"no final answer within {self._plan.ring_seconds:g} s")
                self.hang_up(now)
            elif self.state is PlacedState.CANCELLING:
                self.fail(408, "no answer to INVITE and CANCEL", now)
        self._rearm()

    def _rearm(self) -> None:
        waits = {PlacedState.UP: self._hang_up_at, PlacedState.INVITING: self._give_up_at, PlacedState.CANCELLING: self._give_up_at}
        self.deadline = waits.get(self.state)

    def _move(self, what: PlacedInput) -> None:
        try:
            self.state = PLACED[self.state, what]
        except KeyError:
            raise InvalidInput(f"placed call: no {what} in state {self.state}") from None
