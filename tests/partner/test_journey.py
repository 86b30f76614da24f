"""What the built-in partner does for each waiting step, read from a rehearsal as the API tells it."""

from __future__ import annotations

import pytest

from sbc_sim.calls.rehearsal_plan import JOURNEY, ORDER, PARTS, Wanted, steps_of
from sbc_sim.partner.journey import SPOILS, TASKS, Journey, Mistake, Task

REGIONS = ("frankfurt", "tokyo", "london")


def a_rehearsal(*modes: str, parts: tuple[str, ...] = PARTS, **states: str):
    """A rehearsal as GET gives it; `states` by kind of step, else pending."""
    wanted = Wanted("partner", REGIONS, parts, modes or ("bye",))
    steps = [step.data() for step in steps_of(wanted, {})]
    for step in steps:
        step["state"] = states.get(step["kind"].replace("-", "_"), "pending")
    return {"id": "r", "state": "running", "regions": list(REGIONS), "steps": steps}


def tasks(deeds):
    return [deed.task for deed in deeds]


def test_every_step_that_waits_for_the_partner_has_a_task_and_the_others_come_by_themselves():
    kinds = {"connectivity", "compare", "form", *JOURNEY}
    assert kinds - set(TASKS) == {"agent", "return", "ended", "linked", "form"}
    assert set(SPOILS) == set(Mistake) - {Mistake.NONE}
    assert set(SPOILS.values()) <= kinds


def test_regions_are_called_a_few_at_a_time_and_each_once():
    journey, rehearsal = Journey(at_once=2), a_rehearsal(connectivity="waiting")
    assert [(deed.task, deed.region) for deed in journey.due(rehearsal)] == [(Task.CONNECT, "frankfurt"), (Task.CONNECT, "tokyo")]
    assert journey.due(rehearsal) == []
    rehearsal["steps"][0]["state"] = "passed"
    assert [deed.region for deed in journey.due(rehearsal)] == ["london"]


def test_a_step_that_waits_again_after_a_failed_try_is_done_again():
    journey, rehearsal = Journey(), a_rehearsal(parts=("end-to-end",), create="waiting")
    assert tasks(journey.due(rehearsal)) == [Task.CREATE]
    rehearsal["steps"][0]["tried"] = 1
    assert tasks(journey.due(rehearsal)) == [Task.CREATE]
    assert journey.due(rehearsal) == []


@pytest.mark.parametrize("mode", ORDER)
def test_each_step_of_the_end_to_end_test_is_done_in_its_mode(mode):
    journey, told = Journey(), []
    for kind in ORDER[mode]:
        told += journey.due(a_rehearsal(mode, parts=("end-to-end",), **{kind.replace("-", "_"): "waiting"}))
    assert {deed.mode for deed in told} == {mode}
    wanted = [Task.CREATE, Task.CALL, Task.SPEAK, Task.ASK, Task.KEEP, Task.REP]
    assert tasks(told) == [*wanted, *([] if told[-1].task is Task.REP else [Task.CLOSE])]


def test_the_voice_call_is_closed_only_when_the_rep_is_settled():
    journey = Journey()
    assert journey.due(a_rehearsal(parts=("end-to-end",), closed="waiting", rep="pending")) == []
    assert tasks(journey.due(a_rehearsal(parts=("end-to-end",), closed="waiting", rep="passed"))) == [Task.CLOSE]


def test_who_makes_no_voice_call_sends_the_call_out_all_the_same():
    journey = Journey(Mistake.NO_CREATE)
    rehearsal = a_rehearsal(parts=("end-to-end",), create="waiting")
    assert [(deed.task, deed.step) for deed in journey.due(rehearsal)] == [(Task.CALL, "e2e-bye/invite")]
    assert journey.due(rehearsal) == []


def test_nothing_is_done_for_a_rehearsal_that_does_not_run():
    assert Journey().due({**a_rehearsal(connectivity="waiting"), "state": "stopped"}) == []
