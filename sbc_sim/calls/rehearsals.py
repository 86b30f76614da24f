"""All rehearsals: made, fed with what the journal tells, and told to the journal, from which other processes read them.

One that runs takes the calls and requests of its partner, so each partner has one at a time. Feeding costs nothing while none runs.
Where several replicas share a journal, each rehearsal has one owner, who alone feeds and tells it; the others follow what is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sbc_sim.calls.conduct import CallFacts, Choose, Conduct
from sbc_sim.calls.partner import Partner
from sbc_sim.calls.region import PUBLIC_REGIONS
from sbc_sim.calls.rehearsal import Rehearsal, RehearsalState, rehearsal_of
from sbc_sim.calls.rehearsal_plan import END_TO_END, STEP_SECONDS, Wanted
from sbc_sim.calls.rehearsal_steps import step_of, unix
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.view import CallView
from sbc_sim.sip.errors import InvalidInput

MOST_REHEARSALS = 20
"""The oldest that is over goes for a new one."""
WATCHED = frozenset(
    {
        Kind.CALL_STATE,
        Kind.CALL_ENDED,
        Kind.MESSAGE,
        Kind.AGENT,
        Kind.ESCALATION,
        Kind.PARTNER_CHECK,
        Kind.ATTEMPT,
        Kind.VOICE_CALL,
        Kind.TELEPHONY,
    }
)
"""What is of interest: nothing that comes with every packet."""
BETWEEN_COPIES = 400
"""Entries outside of calls after which a rehearsal is told as a whole again, before the journal forgets what it was told first."""


Lives = Callable[[str], bool]


def nobody(owner: str) -> bool:
    """Nobody else is there."""
    return False


class TooMany(Exception):
    """There is no room for a rehearsal, or its partner has one that runs: one sentence."""


class Rehearsals:
    """All rehearsals. Times are unix seconds; every change gives the entries that tell it."""

    def __init__(
        self,
        new_id: Callable[[float], str],
        partners: Mapping[str, Partner] | None = None,
        regions: Sequence[tuple[str, str]] = (),
        profile: str = "published",
        rule_set: str = "",
        step_seconds: float = STEP_SECONDS,
        owner: str = "",
    ) -> None:
        """`regions`: name and label of those that are played here; none: the published ones. `step_seconds`: unless one is asked for.

        `owner`: name of this replica; empty: nobody else has any.
        """
        self.partners = dict(partners or {"partner": Partner("partner")})
        self.labels = dict(regions) or {name: label for name, label, _ in PUBLIC_REGIONS}
        self.step_seconds = step_seconds
        self.owner = owner
        self._new_id = new_id
        self._profile, self._rule_set = profile, rule_set
        self._kept: dict[str, Rehearsal] = {}
        self._since_copy = 0

    # --- asking ----------------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        """How many are kept."""
        return len(self._kept)

    def listed(self) -> list[Rehearsal]:
        """All of them, newest first."""
        return list(reversed(self._kept.values()))

    def get(self, name: str) -> Rehearsal | None:
        """One by its id."""
        return self._kept.get(name)

    @property
    def there(self) -> bool:
        """Whether there is any."""
        return bool(self._kept)

    @property
    def running(self) -> list[Rehearsal]:
        """Those that take calls, whoever watches over them."""
        return [one for one in self._kept.values() if one.running]

    @property
    def watched(self) -> list[Rehearsal]:
        """Those that take calls and are our own."""
        return [one for one in self._kept.values() if one.running and one.owner == self.owner]

    @property
    def deadline(self) -> float | None:
        """When `advance` wants to be called next."""
        return min((one.deadline for one in self.watched if one.deadline is not None), default=None)

    def escalation_for(self, partner: str) -> str:
        """The mode by which the agent shall give back the next call of this partner; empty: as set."""
        return next((one.escalation for one in self.running if one.wanted.partner == partner or not partner), "")

    # --- what somebody wants -----------------------------------------------------------------------------------------------

    def begin(self, wanted: Wanted, now: float) -> tuple[Rehearsal, list[Entry]]:
        """Begin one. Raises TooMany; and InvalidInput for a partner or a region that is not known, or when nothing is asked for."""
        partner = self.partners.get(wanted.partner)
        if partner is None:
            raise InvalidInput(f"there is no partner {wanted.partner!r}; known: {', '.join(sorted(self.partners))}")
        unknown = [region for region in wanted.regions if region not in self.labels]
        if unknown:
            raise InvalidInput(f"there is no region {unknown[0]!r}; known: {', '.join(self.labels)}")
        foreign = [region for region in wanted.regions if partner.regions and region not in partner.regions]
        if foreign:
            raise InvalidInput(f"the partner {partner.name} does not map the region {foreign[0]!r}; it maps {', '.join(partner.regions)}")
        if END_TO_END in wanted.parts and "refer" in wanted.escalations and self._profile != "extended":
            raise InvalidInput("refer needs rules.profile extended (it is published): the published guide ends calls with BYE")
        if not wanted.parts or (not wanted.regions and END_TO_END not in wanted.parts):
            raise InvalidInput("nothing is to be rehearsed: name parts, and regions for the connectivity test")
        self._check_free(wanted.partner, "")
        self._make_room()
        made = Rehearsal(self._new_id(now), wanted, self.labels, now, partner)
        made.profile, made.rule_set = self._profile, self._rule_set
        made.known = self.partners
        made.owner = self.owner
        made.told_whole = True
        made.changed.clear()
        self._kept[made.id] = made
        return made, self.entries(now)

    def act(self, name: str, what: Callable[[Rehearsal], None], now: float) -> list[Entry]:
        """Do something with one, by its id: stop, resume, retry. Raises KeyError, InvalidInput, TooMany."""
        one = self._kept[name]
        was = one.running
        if not was:
            self._check_free(one.wanted.partner, name)
        what(one)
        return self.entries(now)

    def _check_free(self, partner: str, but: str) -> None:
        other = next((one for one in self.running if one.wanted.partner == partner and one.id != but), None)
        if other is not None:
            raise TooMany(f"the rehearsal {other.id} of the partner {partner} is running: stop it, or go on with it")

    def _make_room(self) -> None:
        while len(self._kept) >= MOST_REHEARSALS:
            gone = next((name for name, one in self._kept.items() if not one.running), None)
            if gone is None:
                raise TooMany(f"{MOST_REHEARSALS} rehearsals are running: stop one")
            del self._kept[gone]

    def clear(self, now: float) -> list[Entry]:
        """Forget those that do not run; give the entries that tell the others anew."""
        self._kept = {name: one for name, one in self._kept.items() if one.running}
        return self.copies(now)

    # --- what happens ------------------------------------------------------------------------------------------------------

    def wants(self, entry: Entry) -> bool:
        """Whether `observe` should be called with this entry: quick, for it is asked of every entry."""
        if entry.kind not in WATCHED or not any(one.running and one.owner == self.owner for one in self._kept.values()):
            return False
        return entry.kind is not Kind.MESSAGE or (entry.data.get("method") == "BYE" and bool(entry.data.get("status")))

    def observe(self, entry: Entry, view: CallView | None) -> list[Entry]:
        """Take an entry, with the call it belongs to as it is now."""
        for one in self.watched:
            one.observe(entry, view)
        return self.entries(entry.at)

    def advance(self, now: float) -> list[Entry]:
        """Time has come."""
        for one in self.watched:
            one.advance(now)
        return self.entries(now)

    # --- telling -----------------------------------------------------------------------------------------------------------

    def entries(self, now: float) -> list[Entry]:
        """Tell what changed of our own since it was told last. What changed of others stands here for answers; their owners tell it."""
        told = []
        for one in self._kept.values():
            entries = list(_entries(one, now))
            told += entries if one.owner == self.owner else []
        return told

    def copies(self, now: float) -> list[Entry]:
        """Tell all of our own as a whole."""
        for one in self._kept.values():
            one.told_whole = True
        return self.entries(now)

    def kept_outside(self, entry: Entry) -> bool:
        """Count an entry outside of calls; True when it is time for `copies`."""
        if entry.call is not None or entry.kind is Kind.ATTEMPT or not self._kept:
            return False
        self._since_copy += 1
        if self._since_copy < BETWEEN_COPIES:
            return False
        self._since_copy = 0
        return True

    def restore(self, newest_first: Iterable[Entry], now: float, lives: Lives = nobody) -> list[Entry]:
        """Read what other processes told; what cannot be read is left out. Gives the entries that tell how it goes on.

        `lives` tells whether another replica of a name is there: what is its own is followed, everything else becomes ours.
        """
        for whole, steps in _latest(newest_first):
            made = self._restored(whole, steps)
            if made is None or made.id in self._kept:
                continue
            made.known = self.partners
            self._kept[made.id] = made
            if made.owner == self.owner or not lives(made.owner):
                made.owner = self.owner
                made.restarted(now)
        self._kept = dict(sorted(self._kept.items())[-MOST_REHEARSALS:])
        return self.entries(now)

    def read_again(self, newest_first: Iterable[Entry]) -> None:
        """Read what other replicas told of theirs; our own stay as they are."""
        for whole, steps in _latest(newest_first):
            made = self._restored(whole, steps)
            known = None if made is None else self._kept.get(made.id)
            if made is not None and made.owner != self.owner and (known is None or known.owner != self.owner):
                made.known = self.partners
                self._kept[made.id] = made

    # --- of other replicas -------------------------------------------------------------------------------------------------

    def follow(self, entry: Entry) -> None:
        """Take what the owner of a rehearsal tells of it; our own entries say nothing new."""
        data = entry.data
        owner, known = str(data.get("owner") or ""), self._kept.get(str(data.get("rehearsal")))
        if owner == self.owner:
            return
        if isinstance(data.get("whole"), Mapping):
            self._follow_whole(data["whole"], owner, known)
        elif known is not None and known.owner == owner and isinstance(data.get("step"), Mapping):
            self._follow_step(known, data)

    def _follow_whole(self, whole: Mapping[str, Any], owner: str, known: Rehearsal | None) -> None:
        made = self._restored(whole, {})
        if made is None:
            return
        if known is not None and known.owner == self.owner and _since(known) > _since(made):
            known.told_whole = True  # two have it: who changed it last goes on with it, and the other one hears so
            return
        made.known = self.partners
        self._kept[made.id] = made
        while len(self._kept) > MOST_REHEARSALS:
            del self._kept[next((name for name, one in self._kept.items() if not one.running), next(iter(self._kept)))]

    def _follow_step(self, known: Rehearsal, data: Mapping[str, Any]) -> None:
        try:
            step = step_of(data["step"])
            known.state = RehearsalState(data["rehearsalState"])
            known.updated_at = unix(data.get("updatedAt")) or known.updated_at
        except (ValueError, KeyError, TypeError, AttributeError):
            return
        if step.id in known.steps:
            known.steps[step.id] = step

    def take_over(self, owner: str, now: float) -> list[Entry]:
        """Watch over what a replica had that is there no more; give the entries that tell it."""
        why = f"The replica {owner}, which watched over it, was lost while it was under way."
        for one in self._kept.values():
            if one.owner == owner != self.owner:
                one.owner, one.told_whole = self.owner, True
                one.restarted(now, why)
        return self.entries(now)

    def renamed(self, name: str, now: float) -> list[Entry]:
        """Go on under another name, since the others took us for lost: what they have taken over by now is theirs."""
        before, self.owner = self.owner, name
        for one in self._kept.values():
            if one.owner == before:
                one.owner, one.told_whole = name, True
        return self.entries(now)

    def _restored(self, whole: Mapping[str, Any], steps: Mapping[str, Mapping[str, Any]]) -> Rehearsal | None:
        try:
            made = rehearsal_of(whole, self.labels, self.partners.get(str(whole.get("partner"))))
            for name, step in steps.items():
                if name in made.steps:
                    made.steps[name] = step_of(step)
                    made.updated_at = max(made.updated_at, unix(step.get("endedAt")) or 0.0)
        except (ValueError, KeyError, TypeError, AttributeError):
            return None
        return made


def rehearsed(choose: Choose, rehearsals: Rehearsals) -> Choose:
    """Let the agent give calls back as the end-to-end test under way wants it, unless the call's own conduct says how."""

    def chosen(facts: CallFacts, now: float) -> Conduct:
        conduct = choose(facts, now)
        if conduct.agent is None or conduct.escalate_mode:
            return conduct
        return replace(conduct, escalate_mode=rehearsals.escalation_for(facts.place.partner.name if facts.place.partner else ""))

    return chosen


def _since(one: Rehearsal) -> tuple[float, str]:
    return one.updated_at, one.owner


def _entries(one: Rehearsal, now: float) -> Iterable[Entry]:
    changed, whole = list(one.changed), one.told_whole
    if not changed and not whole:
        return
    one.changed.clear()
    one.told_whole = False
    about = {
        "rehearsal": one.id,
        "owner": one.owner or None,
        "rehearsalState": one.state.value,
        "counts": one.counts,
        "updatedAt": one.head()["updatedAt"],
    }
    for name in changed:
        yield Entry(now, Kind.REHEARSAL, None, {**about, "change": "step", "step": one.steps[name].data()})
    if whole:
        yield Entry(now, Kind.REHEARSAL, None, {**about, "change": "whole", "whole": one.data()})


def _latest(newest_first: Iterable[Entry]) -> Iterable[tuple[Mapping[str, Any], dict[str, Mapping[str, Any]]]]:
    """Give the newest whole of each rehearsal, with the steps that changed after it."""
    steps: dict[str, dict[str, Mapping[str, Any]]] = {}
    seen: set[str] = set()
    for entry in newest_first:
        if entry.kind is not Kind.REHEARSAL:
            continue
        name, step = str(entry.data.get("rehearsal")), entry.data.get("step")
        if name in seen:
            continue
        if isinstance(step, Mapping):
            steps.setdefault(name, {}).setdefault(str(step.get("id")), step)
        elif isinstance(entry.data.get("whole"), Mapping):
            seen.add(name)
            yield entry.data["whole"], steps.get(name, {})
