"""Rehearsals over HTTP: begin one, look at it, stop it and go on, try a step again or leave it out, hand in the partner's trace; its files.

The rehearsals themselves are in calls/rehearsals; what feeds them is behind `RehearsalDesk`.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.defer import Deferred

from sbc_sim.exports.redaction import mask_values
from sbc_sim.http.bodies import read_body
from sbc_sim.http.exchange import JSON, Asked, Reply, json_reply
from sbc_sim.http.judge_api import LONGEST, TRACES, JudgeApi
from sbc_sim.http.problem import Problem, bad_request, not_found
from sbc_sim.http.routes import Route
from sbc_sim.http.work import Patience, Work
from sbc_sim.journal.store import Store, Trace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sbc_sim.calls.partner import Partner
    from sbc_sim.calls.rehearsal import Rehearsal
    from sbc_sim.calls.rehearsal_acts import RehearsalAct
    from sbc_sim.calls.rehearsal_plan import Wanted
    from sbc_sim.traces.recording import Recording

MOST_COMPARED = 20
"""Calls of a rehearsal that one trace is held against."""


class RehearsalDesk(Protocol):
    """What keeps and feeds the rehearsals of this process."""

    @property
    def partners(self) -> Mapping[str, Partner]:
        """Those that can rehearse, by name."""

    @property
    def labels(self) -> Mapping[str, str]:
        """Regions as published, by name."""

    @property
    def step_seconds(self) -> float:
        """How long a step waits unless it is said."""

    def listed(self) -> list[Rehearsal]:
        """All of them, newest first."""

    def get(self, name: str) -> Rehearsal | None:
        """One by its id."""

    def begin(self, wanted: Wanted) -> Rehearsal:
        """Begin one. Raises TooMany and InvalidInput."""

    def act(self, name: str, act: RehearsalAct) -> Rehearsal:
        """Do something with one. Raises KeyError, InvalidInput, TooMany and TooManyOrders."""


class RehearsalsApi:
    """Routes about rehearsals."""

    def __init__(self, desk: RehearsalDesk | None, store: Store, judge: JudgeApi, traces: Work) -> None:
        """`desk` None: this process rehearses nothing. `judge` reads traces; `traces`: the lane for them."""
        self._desk_or_none = desk
        self._store = store
        self._judge = judge
        self._traces = traces

    def routes(self) -> tuple[Route, ...]:
        """The lines for the route table."""
        every, one = "/api/v1/rehearsals", "/api/v1/rehearsals/{id}"
        step = f"{one}/steps/{{step...}}"
        limit = self._judge.upload_limit
        return (
            Route("GET", every, self.rehearsals, "Rehearsals, newest first", response="RehearsalList", problems=(404,)),
            Route("POST", every, self.begin_rehearsal, "Begin a rehearsal", request="RehearsalRequest", response="Rehearsal",
                  status=HTTPStatus.CREATED, problems=(404, 409, 422)),
            Route("GET", one, self.rehearsal, "A rehearsal with its steps", response="Rehearsal", problems=(404,)),
            Route("POST", f"{one}/stop", self.stop_rehearsal, "Stop it; it can be resumed", response="Rehearsal",
                  problems=(404, 409, 503, 504)),
            Route("POST", f"{one}/resume", self.resume_rehearsal, "Go on; what failed is tried again", response="Rehearsal",
                  problems=(404, 409, 503, 504)),
            Route("POST", f"{step}/retry", self.retry_step, "Try a step again", response="Rehearsal", problems=(404, 409, 503, 504)),
            Route("POST", f"{step}/skip", self.skip_step, "Leave a step out", response="Rehearsal", problems=(404, 409, 503, 504)),
            Route("POST", f"{step}/trace", self.compare_step, "Hold the partner's trace against the calls of a rehearsal, or of a step",
                  consumes=(JSON, *TRACES), body_limit=limit * 4 // 3 + 1024 * 1024, raw_limit=limit, request="TraceBody",
                  response="RehearsalComparison", problems=(404, 409, 422, 503)),
        )  # fmt: skip

    # --- looking -----------------------------------------------------------------------------------------------------------

    def rehearsals(self, asked: Asked) -> Reply:
        """List them, without their steps."""
        return json_reply({"rehearsals": [mask_values(one.head()) for one in self._desk.listed()]})

    def rehearsal(self, asked: Asked) -> Reply:
        """Give one."""
        return _told(self._one(asked))

    # --- doing -------------------------------------------------------------------------------------------------------------

    def begin_rehearsal(self, asked: Asked) -> Reply:
        """Begin one; what is left out of the body is chosen: the only partner, its regions, the usual parts."""
        from sbc_sim.calls.rehearsals import TooMany
        from sbc_sim.sip.errors import InvalidInput

        desk, body = self._desk, read_body(asked.body, "RehearsalRequest")
        try:
            made = desk.begin(self._wanted(desk, body))
        except TooMany as error:
            raise _conflict(f"{error}") from None
        except InvalidInput as error:
            raise Problem(
                422, "cannot-rehearse", _sentence(error), "GET /api/v1/partners and /api/v1/regions list what is known."
            ) from None
        return _told(made, HTTPStatus.CREATED, (("Location", f"{asked.prefix}/api/v1/rehearsals/{made.id}"),))

    def _wanted(self, desk: RehearsalDesk, body: Any) -> Wanted:
        from sbc_sim.calls.rehearsal_plan import USUAL_MODES, USUAL_PARTS, Wanted

        names = list(desk.partners)
        if body.partner is None and len(names) > 1:
            raise bad_request("which-partner", f"There are {len(names)} partners.", f"Name one as partner: {', '.join(names[:20])}.")
        name = body.partner or names[0]
        partner = desk.partners.get(name)
        usual = [region for region in desk.labels if partner is None or not partner.regions or region in partner.regions]
        regions = usual if body.regions is None else [region.lower() for region in body.regions]
        parts, modes = body.parts or USUAL_PARTS, body.escalations or USUAL_MODES
        return Wanted(
            name, tuple(dict.fromkeys(regions)), tuple(dict.fromkeys(parts)), tuple(dict.fromkeys(modes)),
            body.step_seconds or desk.step_seconds, body.tries or 0, body.name or "",
        )  # fmt: skip

    def stop_rehearsal(self, asked: Asked) -> Reply:
        """Let nothing count for now."""
        return self._act(asked, "stop", "POST .../resume goes on with it.")

    def resume_rehearsal(self, asked: Asked) -> Reply:
        """Go on."""
        return self._act(asked, "resume", "Begin a new one, or retry a step.")

    def retry_step(self, asked: Asked) -> Reply:
        """Do a step again."""
        return self._act(asked, "retry", "GET the rehearsal for the states of its steps.")

    def skip_step(self, asked: Asked) -> Reply:
        """Leave a step out."""
        return self._act(asked, "skip", "GET the rehearsal for the states of its steps.")

    def _act(self, asked: Asked, verb: str, fix: str) -> Reply:
        from sbc_sim.calls.rehearsal_acts import RehearsalAct
        from sbc_sim.calls.rehearsals import TooMany
        from sbc_sim.sip.errors import InvalidInput

        one = self._one(asked)
        if "step" in asked.names and asked.names["step"] not in one.steps:
            raise not_found("step", asked.names["step"], f"The rehearsal has the steps {', '.join(one.steps)}."[:1000])
        try:
            return _told(self._desk.act(one.id, RehearsalAct(verb, asked.names.get("step", ""))))
        except (InvalidInput, TooMany) as error:
            raise _conflict(f"{error}", fix) from None

    # --- the partner's trace -----------------------------------------------------------------------------------------------

    def compare_step(self, asked: Asked) -> Deferred[Reply]:
        """Hold the partner's own trace against the calls of the rehearsal, or that of one step (requirement 143)."""
        from sbc_sim.calls.rehearsal_plan import COMPARE

        one, name = self._one(asked), asked.names["step"]
        if COMPARE not in one.steps:
            raise _conflict(f"the rehearsal has no step {COMPARE}", 'Begin one whose parts name "compare".')
        if name not in one.steps:
            raise not_found("step", name, f"Use {COMPARE}, or a step that has a call.")
        ours = self._calls_of(one, None if name == COMPARE else name)
        if not ours:
            raise _conflict("there is no call to hold the trace against yet", "Place the calls first, then upload the trace of them.")
        patience = Patience(LONGEST)
        work = self._traces.do(lambda: self._compared(asked, ours, patience), patience)
        return work.addCallback(lambda found: self._noted(one.id, *found))

    def _calls_of(self, one: Rehearsal, step: str | None) -> list[Trace]:
        from sbc_sim.http.documents_api import still

        calls = [found.call for found in one.steps.values() if found.call and step in (None, found.id)]
        traces = [self._store.trace(call) for call in dict.fromkeys(calls)]
        return [still(trace) for trace in traces if trace is not None][:MOST_COMPARED]

    def _compared(self, asked: Asked, ours: list[Trace], patience: Patience) -> tuple[dict[str, Any], str, bool]:
        from sbc_sim.http.rehearsal_compare import compared

        recording: Recording = self._judge.recording(asked, patience)
        return compared(recording, ours, self._judge.policy, patience.spent)

    def _noted(self, name: str, data: dict[str, Any], text: str, fine: bool) -> Reply:
        from sbc_sim.calls.rehearsal_acts import RehearsalAct
        from sbc_sim.sip.errors import InvalidInput

        try:
            one = self._desk.act(name, RehearsalAct("compared", text=text, fine=fine))
        except KeyError:
            raise not_found("rehearsal", name) from None
        except InvalidInput as error:
            raise _conflict(f"{error}") from None
        return json_reply(mask_values({"rehearsal": one.data(), "fine": fine, "text": text, "comparisons": data["comparisons"]}))

    # --- shared ------------------------------------------------------------------------------------------------------------

    @property
    def _desk(self) -> RehearsalDesk:
        if self._desk_or_none is None:
            raise Problem(404, "no-rehearsals", "This process rehearses nothing.", "Ask the one that `sbc-sim serve` runs.")
        return self._desk_or_none

    def _one(self, asked: Asked) -> Rehearsal:
        one = self._desk.get(asked.names["id"])
        if one is None:
            raise not_found("rehearsal", asked.names["id"], "GET /api/v1/rehearsals lists those that are kept.")
        return one


def _told(one: Rehearsal, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    return json_reply(mask_values(one.data()), int(status), headers=headers)


def _sentence(error: Exception) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."


def _conflict(text: str, fix: str = "GET /api/v1/rehearsals lists them with their states.") -> Problem:
    return Problem(409, "not-now", f"{text[:1].upper()}{text[1:].rstrip('.')}.", fix)
