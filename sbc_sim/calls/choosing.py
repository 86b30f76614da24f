"""Which conduct a call gets: test number before fault before User-to-User before the echo.

A test number says all by itself: who answers and what is done wrong. To any other number, and to the plain ones of echo and agent, the
faults apply that are meant for it, several together where they do not exclude each other. Who answers is then said by the User-to-User
value: JSON that names an org other than the echo one reaches the agent, everything else the echo.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import replace

from sbc_sim.calls.conduct import CallFacts, Conduct
from sbc_sim.calls.faults import Fault, FaultTable, Target
from sbc_sim.calls.numbers import AGENT, ECHO, NumberTable, TestNumber
from sbc_sim.rtp.leg import MediaConduct
from sbc_sim.sip.text import printable
from sbc_sim.sip.uui import Uui

AgentConduct = Callable[[CallFacts], "Conduct | None"]
"""The conduct of an agent for a call: scenario and leg; None when there is none."""

MOST_WAITS = 1000
"""Callers of whom it is remembered until when they were asked to wait."""


class Choosing:
    """Chooses; see `Choose` in calls/conduct."""

    def __init__(
        self, numbers: NumberTable | None, faults: FaultTable, agent: AgentConduct = lambda facts: None, echo_org: str = "echo-test-org"
    ) -> None:
        """`numbers` None: test numbers are off (sip.test_numbers). `echo_org` is the orgId of the echo test (uui.echo_org)."""
        self._numbers = numbers
        self._faults = faults
        self._agent = agent
        self._echo_org = echo_org
        self._waits: OrderedDict[tuple[str, str, str], float] = OrderedDict()

    def __call__(self, facts: CallFacts, now: float) -> Conduct:
        """Choose for one call at a time in unix seconds; hits of faults are counted."""
        number = self._numbers.find(facts.number) if self._numbers is not None else None
        conduct = self._by_number(number, facts) if number is not None else self._by_content(facts)
        made = number.made() if number is not None else ()
        conduct = self._struck(conduct, made, lambda fault: True) if made else self._by_faults(conduct, facts, now)
        return self._waited(conduct, facts, now)

    # --- who answers -------------------------------------------------------------------------------------------------

    def _by_number(self, number: TestNumber, facts: CallFacts) -> Conduct:
        why = f"test number {number.number} ({number.name})"
        org = self._other_org(facts.uui)
        if org and number.reaches == ECHO:
            why += f", which goes before the User-to-User naming org {org}"
        elif number.reaches == AGENT and facts.uui is not None and facts.uui.is_echo:
            why += ", which goes before the User-to-User of the echo test"
        conduct = self._reached(number.reaches, facts, why)
        return conduct if number.name in (ECHO, AGENT) else replace(conduct, scenario=number.name)

    def _by_content(self, facts: CallFacts) -> Conduct:
        org = self._other_org(facts.uui)
        if org:
            return self._reached(AGENT, facts, f"User-to-User names org {org}")
        if facts.uui is not None and facts.uui.is_echo:
            return Conduct(why="User-to-User of the echo test")
        return Conduct(why="any number: the echo")

    def _other_org(self, uui: Uui | None) -> str:
        """Org that the JSON names, when it is not that of the echo test; empty otherwise."""
        if uui is None or uui.fields is None or uui.named is None:
            return ""
        org = uui.fields.get(uui.named.get("orgId", ""))
        return printable(org, 40) if isinstance(org, str) and org and org != self._echo_org else ""

    def _reached(self, whom: str, facts: CallFacts, why: str) -> Conduct:
        conduct = self._agent(facts) if whom == AGENT else Conduct()
        if conduct is None:
            return Conduct(why=f"{why}, but there is no agent here: the echo")
        return replace(conduct, why=f"{why}{conduct.why and f': {conduct.why}'}")

    # --- what is done wrong ------------------------------------------------------------------------------------------

    def _by_faults(self, conduct: Conduct, facts: CallFacts, now: float) -> Conduct:
        place = facts.place
        region, partner = place.region.name if place.region else "", place.partner.name if place.partner else ""
        candidates = self._faults.candidates(("signalling", "media"), Target(facts.number, region, partner), now)
        return self._struck(conduct, candidates, lambda fault: self._faults.take(fault, now))

    def _struck(self, conduct: Conduct, faults: Iterable[Fault], strikes: Callable[[Fault], bool]) -> Conduct:
        """Let each fault that fits to those before it strike; what excludes itself with them is left out and not counted."""
        for fault in faults:
            changed = conduct if fault.type.make is None else fault.type.make(conduct, fault.value)
            if changed is None or not strikes(fault):
                continue
            media = _seeded(changed.media, fault) if fault.type.area == "media" else changed.media
            why = conduct.why if fault.by.startswith("number") else f"{conduct.why}; fault {fault.name} ({fault.type.name})"
            conduct = replace(changed, media=media, why=why, faults=(*changed.faults, fault.stamp()))
        return conduct

    # --- who was asked to wait ---------------------------------------------------------------------------------------

    def _waited(self, conduct: Conduct, facts: CallFacts, now: float) -> Conduct:
        """Note who is asked to wait by Retry-After, and whether the next call of that caller to the same number comes before that.

        RFC 3261 section 21.5.4 lets the whole server wait; what is held against a partner is only the call that it was asked not to repeat.
        """
        if not facts.host:
            return conduct
        caller = (facts.host, facts.caller, facts.number)
        until = self._waits.pop(caller, 0.0)
        early = f"{until - now:.1f} s before the time that Retry-After asked to wait was over" if now < until else ""
        asked = dict(conduct.answer.headers).get("Retry-After") if conduct.answer is not None else None
        if asked is not None:
            self._waits[caller] = now + int(asked)
            if len(self._waits) > MOST_WAITS:
                self._waits.popitem(last=False)
        return replace(conduct, retried=early, waited=bool(until)) if until else conduct


def _seeded(media: MediaConduct, fault: Fault) -> MediaConduct:
    """The first fault of a leg brings the seed for all of them."""
    return media if len(media.faults) > 1 else replace(media, seed=fault.seed)
