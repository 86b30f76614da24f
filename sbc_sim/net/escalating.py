"""Escalations and the partner's word about them, as the HTTP interface orders them: checked here, done by the core.

The core of another replica, when that one owns the call: then it is asked to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sbc_sim.calls.escalation_plan import CannotEscalate, TemplateError, check_mode, target_of
from sbc_sim.calls.partner_check import PartnerWord
from sbc_sim.calls.production import is_production, not_dialled
from sbc_sim.calls.switchboard import Switchboard
from sbc_sim.journal.owners import Alone, Fellows
from sbc_sim.journal.store import Store
from sbc_sim.journal.view import CallView
from sbc_sim.net.shell import Shell

_REASON = "escalated by the API"
ESCALATE, PARTNER_SAYS = "escalate", "partner-says"
"""Orders to the owner of a call: ``{call, mode, why, target}``, ``{call, word}``."""


class Escalating:
    """The escalations of the running simulator."""

    def __init__(
        self, store: Store, shell: Shell, switchboard: Switchboard, profile: str, production: bool = False, fellows: Fellows | None = None
    ) -> None:
        """`profile` as in rules.profile. `production`: whether Salesforce's own names may be dialled (sip.dial_production).

        `fellows`: the other replicas.
        """
        self._fellows = fellows or Alone()
        self._store = store
        self._shell = shell
        self._switchboard = switchboard
        self._profile = profile
        self._production = production

    def escalate(self, call: str, mode: str, why: str, target: str) -> None:
        """Give a live call back. Raises CannotEscalate, OwnerGone and TooManyOrders."""
        view = self._view(call)
        _check_live(view)
        try:
            if mode:
                check_mode(mode, self._profile)
            if target:
                self._check_target(target)
        except TemplateError as error:
            raise CannotEscalate(
                "bad-escalation", f"{error}.", "Send mode bye, bye+data, invite-back or refer, and a sips: target.", True
            ) from None
        self._at_owner(view, ESCALATE, {"call": call, "mode": mode, "why": why or _REASON, "target": target})

    def _check_target(self, target: str) -> None:
        """Refuse what cannot or must not be called, while the first leg is untouched. Raises TemplateError, CannotEscalate."""
        host = target_of(target, "target").host
        if is_production(host) and not self._production:
            raise CannotEscalate("bad-escalation", f"target: {not_dialled(host)}", "Send a target of your own.", True)

    def partner_says(self, call: str, word: PartnerWord) -> None:
        """Take the partner's word about an escalated call. Raises CannotEscalate, OwnerGone and TooManyOrders."""
        view = self._view(call)
        if view.escalation is None:
            raise CannotEscalate(
                "not-escalated", "The call was not escalated, so there is nothing to say of the partner.", "Escalate it first."
            )
        if not view.over:
            raise CannotEscalate(
                "not-over", "The first leg is still up; the partner check begins when it ends.", "Ask again after its BYE."
            )
        if self._fellows.owner(view.replica) is None and not self._switchboard.is_checked(call):
            raise CannotEscalate("check-over", "The partner check of this call is not kept any more.", "Tell it within the window.")
        self._at_owner(view, PARTNER_SAYS, {"call": call, "word": asdict(word)})

    def _at_owner(self, view: CallView, what: str, data: Mapping[str, Any]) -> None:
        owner = self._fellows.owner(view.replica)
        if owner is None:
            self.ordered(what, data)
        else:
            self._fellows.order(owner.name, what, data)

    def ordered(self, what: str, data: Mapping[str, Any]) -> None:
        """Do it here. Calls that are over by now are left alone. Raises KeyError, TypeError and ValueError for what makes no sense."""
        call = str(data["call"])
        if what == ESCALATE:
            mode, why, target = (str(data[name]) for name in ("mode", "why", "target"))
            self._shell.ask(lambda now: self._switchboard.escalate(call, mode, why, now, target))
        else:
            word = PartnerWord(**data["word"])
            self._shell.ask(lambda now: self._switchboard.partner_says(call, word, now))

    def _view(self, call: str) -> CallView:
        view = self._store.call(call)
        if view is None:
            raise CannotEscalate("no-such-call", f"There is no call {call[:80]!r}.", "GET /api/v1/calls lists the calls that are kept.")
        return view


def _check_live(view: CallView) -> None:
    if view.over:
        raise CannotEscalate(
            "call-not-live", f"The call is {view.state}; only a live call can be given back.", "Its endReason tells how it ended."
        )
    if view.escalation_of is not None:
        raise CannotEscalate("is-a-return", "This call gives another one back; it cannot be escalated itself.", "Escalate an inbound call.")
    if view.state != "answered":
        raise CannotEscalate("not-answered", "The call is not answered yet.", "Wait for its 200, then ask again.")
    if view.escalation is not None:
        raise CannotEscalate(
            "escalated-already", "The call is being given back already.", "GET the call: `escalation` tells how far it is."
        )
