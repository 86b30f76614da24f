"""The escalation of one call: it is given back to the partner, and what comes of that is noted (requirements 104-110).

    bye          BYE with a Reason
    bye+data     BYE with Reason, User-to-User and X-headers
    invite-back  a new INVITE to the partner; once it is answered, BYE on the first leg
    refer        REFER; when its transfer is over, or is refused, BYE on the first leg

Whatever fails on the way, the first leg is ended by BYE. What the partner then does with the customer is for the partner check.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from sbc_sim.calls.companion import NO_DATA, Acts
from sbc_sim.calls.desk import Desk
from sbc_sim.calls.escalation_plan import MODES, Target, TemplateError, bye_headers, data_header, reason_header, target_of
from sbc_sim.calls.region import Place
from sbc_sim.journal.entries import Kind
from sbc_sim.rules.journey import Journey, Returning, ReturnTrouble
from sbc_sim.sip.dialog import Dialog
from sbc_sim.sip.effects import ClientTransaction
from sbc_sim.sip.errors import MalformedMessage
from sbc_sim.sip.headers import NameAddr
from sbc_sim.sip.message import Request, Response
from sbc_sim.sip.peer import TlsFailure, TlsProblem
from sbc_sim.sip.server_side import Extra
from sbc_sim.sip.text import printable
from sbc_sim.sip.uri import host_port

OF_TLS: dict[TlsProblem, ReturnTrouble] = {
    TlsProblem.UNREACHABLE: ReturnTrouble.DEAD,
    TlsProblem.HANDSHAKE_TIMEOUT: ReturnTrouble.SLOW,
    TlsProblem.PLAIN_SIP: ReturnTrouble.CLEAR_TEXT,
    TlsProblem.NOT_TLS: ReturnTrouble.CLEAR_TEXT,
    TlsProblem.UNTRUSTED_SERVER: ReturnTrouble.CHAIN,
    TlsProblem.SERVER_WANTS_CERTIFICATE: ReturnTrouble.INSISTS,
}
"""What a failed connection means for a call back; anything else is `ReturnTrouble.TLS`."""
OF_CERTIFICATES = {"name": ReturnTrouble.NAME, "dates": ReturnTrouble.DATES}


class FirstLeg(Acts, Protocol):
    """The call that is given back, as its escalation sees it."""

    dialog: Dialog | None
    place: Place


class Escalation:
    """One escalation, from the decision to the end of the first leg."""

    def __init__(self, leg: FirstLeg, desk: Desk, mode: str, why: str, target: str = "", data: Mapping[str, str] = NO_DATA) -> None:
        """`mode` empty: as set. `target`: a URI to call instead of what is set, empty for none. `data`: what a scenario adds."""
        self.leg = leg
        self.mode = mode or desk.plan.mode
        self.why = why
        self.deadline: float | None = None
        self.over = False
        """Nothing is waited for any more: the first leg is on its way out, or gone."""
        self._desk = desk
        self._wanted = target
        self._more = data
        self._give_up: Callable[[float], None] | None = None
        self._refer: ClientTransaction | None = None
        self._notified = False

    @property
    def journey(self) -> Journey:
        """What the rules see of it."""
        return self.leg.evidence.journey

    @property
    def values(self) -> dict[str, str]:
        """What the placeholders of the templates stand for."""
        uui = self.leg.evidence.uui
        fields = dict(uui.fields or {}) if uui is not None else {}
        named = {name: fields.get(key) for name, key in (uui.named or {}).items()} if uui is not None else {}
        voice = self.journey.voice_call or {}
        told = {
            "orgId": fields.get("orgId"),
            "voiceCallId": voice.get("voiceCallId") or named.get("callId"),
            "vendorCallKey": voice.get("vendorCallKey") or named.get("vendorCallKey"),
            "why": self.why,
        }
        return {name: str(value or "") for name, value in told.items()}

    # --- the beginning -----------------------------------------------------------------------------------------------

    def begin(self, now: float) -> None:
        """Give the call back; it is up."""
        journey = self.journey
        forbidden = self.mode == "refer" and self._desk.policy.profile != "extended"
        if forbidden or self.mode not in MODES:
            self.mode = "bye"
        journey.escalated_at, journey.mode, journey.why = now, self.mode, self.why
        journey.check_seconds = self._desk.plan.check_seconds
        journey.voice_call_then = dict(journey.voice_call or {})
        self.tell("began", now, self.why, mode=self.mode, why=self.why)
        if forbidden:
            self.leg.record(Kind.NOTE, now, {"text": "REFER belongs to the profile extended: the call is given back by BYE"})
        if self.mode == "invite-back":
            self._call_back(now)
        elif self.mode == "refer":
            self._send_refer(now)
        else:
            self._say_bye(now)

    def tell(self, state: str, now: float, text: str = "", **more: str) -> None:
        """Write down a step: ESCALATION."""
        self.leg.record(Kind.ESCALATION, now, {"state": state, "text": text, **more})

    def _say_bye(self, now: float) -> None:
        """End the first leg; with data when that is the mode."""
        self.over, self.deadline = True, None
        extra: Extra = ()
        if self.mode == "bye+data":
            extra, notes = bye_headers(self._desk.plan, self.values, self._more)
            carried = ", ".join(name for name, _ in extra) or "nothing"
            self.tell("data", now, "; ".join([f"the BYE carries {carried}", *notes]))
        self.leg.hang_up("escalated", self.why, now, (("Reason", reason_header(self._desk.plan, self.values)), *extra))

    # --- by INVITE ---------------------------------------------------------------------------------------------------

    def _call_back(self, now: float) -> None:
        self.journey.returning = Returning()
        target = self._find_target(now)
        if target is not None:
            self.deadline = now + self._desk.plan.ring_seconds
            self.tell("calling", now, f"{target.uri}, as {target.chosen_by} says", target=host_port(target.host, target.port))
            self._desk.give_back(self, target, now)

    def _find_target(self, now: float) -> Target | None:
        """Choose where to: what the API said, the partner's own, the setting, the Contact of the call."""
        back = self.journey.returning
        assert back is not None
        try:
            target = self._chosen()
        except TemplateError as error:
            self.failed(ReturnTrouble.NO_TARGET, str(error), now)
            return None
        back.target, back.chosen_by = host_port(target.host, target.port), target.chosen_by
        return target

    def _chosen(self) -> Target:
        own, of_whom = self._own_uri()
        contact = self.leg.dialog.remote_target if self.leg.dialog is not None else ""
        for text, chosen_by in (
            (self._wanted, "the API"),
            (own, of_whom),
            (self._desk.plan.return_uri, "escalation.return_uri"),
            (contact, "the Contact of the call"),
        ):
            if text:
                return target_of(text, chosen_by)
        raise TemplateError("neither partner nor escalation.return_uri names an address, and the call has no Contact")

    def _own_uri(self) -> tuple[str, str]:
        """The partner's return_uri, which may differ from region to region, and whose it is in words."""
        partner, region = self.leg.place.partner, self.leg.place.region
        if partner is None:
            return "", ""
        there = partner.at(region.name) if region is not None else partner
        where = f" in {region.name}" if region is not None and there.return_uri != partner.return_uri else ""
        return there.return_uri, f"return_uri of the partner{where}"

    @property
    def data(self) -> Extra:
        """The User-to-User header of a call back."""
        return data_header(self._desk.plan, self.values, self._more)[0]

    def connected(self, asked_for_certificate: bool) -> None:
        """The connection of the call back is up."""
        assert self.journey.returning is not None
        self.journey.returning.connected = True
        self.journey.returning.asked_for_certificate = asked_for_certificate

    def calling(self, call: str, give_up: Callable[[float], None], now: float) -> None:
        """The INVITE of the call back goes out as a call of that id; from here on that call watches the time. `give_up` ends it."""
        assert self.journey.returning is not None
        self.journey.returning.call = call
        self._give_up = give_up
        self.deadline = None
        self.tell("calling", now, "INVITE", call=call)

    def unreachable(self, failure: TlsFailure, now: float) -> None:
        """The connection of the call back cannot be had."""
        trouble = OF_CERTIFICATES.get(failure.certificate) or OF_TLS.get(failure.problem, ReturnTrouble.TLS)
        if failure.problem is TlsProblem.UNREACHABLE and failure.timed_out:
            trouble = ReturnTrouble.SLOW
        back = self.journey.returning
        assert back is not None
        back.asked_for_certificate = trouble is ReturnTrouble.INSISTS
        self.failed(trouble, f"{back.target}: {failure.detail}", now)

    def up(self, status: int, now: float) -> None:
        """The call back was answered and acknowledged, with media: now the first leg ends."""
        back = self.journey.returning
        assert back is not None
        back.status, back.up_at = status, now
        self.tell("returned", now, f"the partner answered {status} at {back.target}")
        self._say_bye(now)

    def failed(self, trouble: ReturnTrouble, detail: str, now: float, status: int | None = None) -> None:
        """Note why the way back failed, and end the first leg all the same."""
        back = self.journey.returning
        assert back is not None
        if back.trouble is not None or back.up_at is not None:
            return
        back.trouble, back.detail = trouble, detail
        back.status = status if status is not None else back.status
        self.journey.trouble = detail
        self.tell("failed", now, detail)
        if not self.over:
            self._say_bye(now)

    # --- by REFER ----------------------------------------------------------------------------------------------------

    def _send_refer(self, now: float) -> None:
        self.journey.returning = Returning()
        target = self._find_target(now)
        dialog = self.leg.dialog
        if target is None or dialog is None:
            return
        self.tell("calling", now, f"REFER to {target.uri}, as {target.chosen_by} says", target=host_port(target.host, target.port))
        self.deadline = now + self._desk.plan.ring_seconds
        extra = (("Refer-To", self._refer_to(target)), ("Referred-By", self._name(dialog.local)), *self._asserted())
        self._refer, effects = self._desk.agent.client.request(dialog, "REFER", now, extra)
        self._desk.outbox.carry(effects, now)

    def _refer_to(self, target: Target) -> str:
        """The target with User-to-User as a header of the URI (RFC 7433 section 3.1, RFC 3261 section 19.1.1)."""
        if not self.data:
            return f"<{target.uri}>"
        value = self.data[0][1].replace(";", "%3B").replace("=", "%3D")
        return f"<{target.uri}?User-to-User={value}>"

    def _asserted(self) -> Extra:
        """The customer's asserted identity, which the flow hands on (requirement 106)."""
        invite = self.leg.evidence.invite
        values = invite.headers.listed("P-Asserted-Identity") if invite is not None else []
        return (("P-Asserted-Identity", values[0]),) if values else ()

    @staticmethod
    def _name(value: str) -> str:
        try:
            return f"<{NameAddr.parse(value, 'From').uri}>"
        except MalformedMessage:
            return "<sip:anonymous@anonymous.invalid>"

    def answered(self, transaction: ClientTransaction, response: Response, now: float) -> bool:
        """Take the answer to our REFER; tell whether it was that."""
        if transaction is not self._refer:
            return False
        back = self.journey.returning
        assert back is not None
        if response.status >= 300:
            told = f"REFER was refused with {response.status} {printable(response.reason, 40)}"
            self.failed(ReturnTrouble.REFER_REFUSED, told, now, response.status)
        elif response.status >= 200:
            back.status = response.status
            self.tell("calling", now, f"REFER was answered {response.status}; NOTIFY has to tell how the transfer goes")
        return True

    def unanswered(self, transaction: ClientTransaction, why: str, now: float) -> bool:
        """Give our REFER up; tell whether it was that."""
        if transaction is self._refer:
            self.failed(ReturnTrouble.REFER_REFUSED, why, now, 408)
        return transaction is self._refer

    @property
    def awaits_notify(self) -> bool:
        """Whether NOTIFY belongs to something that we asked for."""
        return self._refer is not None

    def notified(self, request: Request, now: float) -> None:
        """Take a NOTIFY about our REFER: a piece of a SIP response (RFC 3515 section 2.4.5)."""
        back = self.journey.returning
        assert back is not None
        status = sipfrag_status(request)
        if status is None:
            return
        back.reported = status
        if 200 <= status < 300 and not self.over:
            self.tell("returned", now, f"NOTIFY told of {status}")
            back.up_at = now
            self._say_bye(now)
        elif status >= 300:
            self.failed(ReturnTrouble.REFER_FAILED, f"NOTIFY told of {status}: the transfer failed", now)

    # --- time and the end ----------------------------------------------------------------------------------------------

    def advance(self, now: float) -> None:
        """Give up what takes too long."""
        back, seconds = self.journey.returning, self._desk.plan.ring_seconds
        self.deadline = None
        if self.over or back is None:
            return
        if self.mode == "refer" and back.status is not None and back.reported is None:
            self.tell("over", now, f"no NOTIFY within {seconds:g} s")
            self._say_bye(now)
        elif self.mode == "refer":
            told = f"after {seconds:g} s the transfer was still not over" if back.status else f"no answer to REFER within {seconds:g} s"
            self.failed(ReturnTrouble.REFER_FAILED if back.status else ReturnTrouble.REFER_REFUSED, told, now)
        else:
            self.failed(ReturnTrouble.SLOW, f"{back.target}: no connection within {seconds:g} s", now)

    def first_leg_over(self, by: str, now: float) -> None:
        """The first leg has ended, by whomever: the partner check begins."""
        back = self.journey.returning
        if self.mode == "invite-back" and back is not None and back.trouble is None and back.up_at is None:
            self.over = True
            who = "we" if by == "sbc" else "the partner"
            self.failed(ReturnTrouble.HUNG_UP, f"{who} ended the first leg before the call back was answered", now)
            if self._give_up is not None:
                self._give_up(now)
        self.over, self.deadline = True, None
        self.tell("over", now, f"the first leg was ended by {'us' if by == 'sbc' else 'the partner'}")
        self._desk.watch(self, now)


def sipfrag_status(request: Request) -> int | None:
    """Read the status out of a body of type message/sipfrag; None when there is none."""
    line = request.body[:200].decode("utf-8", "replace").lstrip("\r\n").splitlines()[:1]
    words = line[0].split() if line else []
    if len(words) < 2 or words[0].upper() != "SIP/2.0" or not (words[1].isascii() and words[1].isdigit() and len(words[1]) == 3):
        return None
    return int(words[1])
