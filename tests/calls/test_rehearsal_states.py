"""The tables of a step and of a rehearsal: every pair moves on or is refused as our own mistake, whatever comes in whatever order."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbc_sim.calls.rehearsal import REHEARSAL, Rehearsal, RehearsalInput, RehearsalState, rehearsal_of
from sbc_sim.calls.rehearsal_plan import ORDER, PARTS, Wanted
from sbc_sim.calls.rehearsal_steps import MOST_ATTEMPTS, STEP, Attempt, Step, StepInput, StepState, step_of
from sbc_sim.sip.errors import InvalidInput

START = 1_700_000_000.0
LABELS = {"frankfurt": "FRANKFURT", "london": "LONDON"}


@pytest.mark.parametrize("state", list(StepState))
@pytest.mark.parametrize("what", list(StepInput))
def test_a_step_follows_its_table_or_refuses(state: StepState, what: StepInput) -> None:
    step = Step("connectivity/london", "connectivity", "", "", state=state)
    if (state, what) in STEP:
        step.move(what, START)
        assert step.state is STEP[state, what]
        assert (step.ended_at == START) == (step.state in (StepState.PASSED, StepState.FAILED, StepState.SKIPPED))
    else:
        with pytest.raises(InvalidInput, match="connectivity/london"):
            step.move(what, START)
        assert step.state is state


def test_every_input_is_used_and_a_passed_step_never_fails() -> None:
    assert {what for _, what in STEP} == set(StepInput)
    assert {what for _, what in REHEARSAL} == set(RehearsalInput)
    assert (StepState.PASSED, StepInput.FAIL) not in STEP
    assert set(REHEARSAL.values()) == set(RehearsalState)


def rehearsal(parts: tuple[str, ...] = PARTS, **more: object) -> Rehearsal:
    wanted = Wanted("acme", ("frankfurt", "london"), parts, **{"step_seconds": 100.0, **more})  # type: ignore[arg-type]
    return Rehearsal("r1", wanted, LABELS, START)


STEPS = list(rehearsal().steps)
DEEDS = st.one_of(
    st.tuples(st.sampled_from(["begin", "pass", "fail", "retry", "skip"]), st.sampled_from(STEPS)),
    st.tuples(st.sampled_from(["stop", "resume", "advance", "restart"]), st.just("")),
)


def do(one: Rehearsal, deed: str, name: str, now: float) -> None:
    """Do something; what somebody asks for at the wrong time is refused as such."""
    if deed in ("begin", "pass", "fail"):
        step = one.steps[name]
        if not one.running:
            return
        if deed == "begin" and (step.open or step.state is StepState.PENDING):
            one.begin(step, Attempt(now, call=f"call-{now}"), now)
        elif deed == "pass":
            one.pass_step(step, "It passed.", now, call=f"call-{now}")
        elif deed == "fail":
            one.fail_step(step, "It failed.", now, call=f"call-{now}")
        one.settle(now)
        return
    with suppress(InvalidInput):
        {"retry": lambda: one.retry(name, now), "skip": lambda: one.skip(name, now), "stop": lambda: one.stop(now),
         "resume": lambda: one.resume(now), "advance": lambda: one.advance(now), "restart": lambda: one.restarted(now)}[deed]()  # fmt: skip


@given(st.lists(DEEDS, max_size=30), st.sampled_from([0, 1, 2]), st.integers(1, 80))
def test_whatever_happens_a_rehearsal_is_consistent_and_survives_being_written(deeds: list[tuple[str, str]], tries: int, pace: int) -> None:
    one = rehearsal(tries=tries)
    for place, (deed, name) in enumerate(deeds):
        do(one, deed, name, START + place * pace)
        waits = [step for step in one.steps.values() if step.open or step.state is StepState.PENDING]
        assert one.running or one.state is RehearsalState.STOPPED or not waits
        assert not one.running or waits, "one that runs waits for something"
        assert not one.running or any(step.open for step in one.steps.values()), "something has its turn"
        for step in one.steps.values():
            assert not one.running or step.state not in (StepState.WAITING, StepState.RUNNING) or step.deadline is not None
            assert step.state is StepState.FAILED or step.state in (StepState.WAITING, StepState.RUNNING) or step.deadline is None
            assert len(step.attempts) <= MOST_ATTEMPTS
        assert sum(one.counts.values()) == len(one.steps)
        again = rehearsal_of(one.data(), LABELS)
        assert again.data() == one.data()


def test_a_step_is_read_as_it_was_written() -> None:
    one = Step("e2e-bye/rep", "rep", "t", "e", None, "e2e-bye/linked", StepState.FAILED, ["m"], "w", START + 9, tried=3)
    one.note(Attempt(START, "failed", "text", "c1", "0LQ1", [{"rule": "SBC-E2E-001", "status": "fail", "detail": "d"}]))
    assert step_of(one.data()) == one


def test_of_many_tries_the_first_and_the_newest_are_kept_and_all_are_counted() -> None:
    step = Step("connectivity/london", "connectivity", "", "")
    for number in range(25):
        step.note(Attempt(START + number, "failed", str(number)))
    assert [attempt.text for attempt in step.attempts] == ["0", *map(str, range(16, 25))]
    assert step.tried == 25


def test_an_end_to_end_test_has_the_steps_of_the_guide_and_a_return_only_by_invite() -> None:
    names = [name.rpartition("/")[2] for name in rehearsal(("end-to-end",), escalations=("bye",)).steps]
    assert names == ["create", "invite", "agent", "customer", "escalate", "ended", "customer-alive", "rep", "linked", "closed"]
    assert [mode for mode, order in ORDER.items() if "return" in order] == ["invite-back"]
    steps = rehearsal(("end-to-end",), escalations=("invite-back",)).steps
    assert steps["e2e-invite-back/customer-alive"].needs == "e2e-invite-back/return"
    assert all(step.needs in steps for step in steps.values() if step.needs)


def test_a_step_that_nobody_serves_is_given_up_and_what_needs_it_is_not_reached() -> None:
    one = rehearsal(("end-to-end",), escalations=("bye",))
    assert one.deadline == START + 100
    one.advance(START + 99)
    assert one.running
    one.advance(START + 100)
    create = one.steps["e2e-bye/create"]
    assert (create.state, create.tried, one.state) == (StepState.FAILED, 0, RehearsalState.FAILED)
    assert create.why == "Nothing came within 100 s. No voice call was created: POST /telephony/v1/voiceCalls with a valid JWT."
    assert {step.state for step in one.steps.values() if step is not create} == {StepState.SKIPPED}
    assert one.steps["e2e-bye/closed"].why == "Not reached: e2e-bye/create failed."


def test_a_failed_try_leaves_the_step_open_until_its_time_is_over_and_enough_tries_close_it() -> None:
    patient, strict = rehearsal(("connectivity",)), rehearsal(("connectivity",), tries=2)
    for one in (patient, strict):
        for number in range(2):
            one.fail_step(one.steps["connectivity/london"], "No.", START + number, call=f"c{number}")
            one.settle(START + number)
    assert patient.steps["connectivity/london"].open
    assert not strict.steps["connectivity/london"].open
    patient.pass_step(patient.steps["connectivity/london"], "Yes.", START + 5, call="c5")
    assert patient.steps["connectivity/london"].state is StepState.PASSED


def test_stop_lets_nothing_count_and_resume_gives_everything_new_time() -> None:
    one = rehearsal(("connectivity",))
    one.fail_step(one.steps["connectivity/london"], "No.", START, call="c")
    one.stop(START + 10)
    assert (one.deadline, one.state) == (None, RehearsalState.STOPPED)
    with pytest.raises(InvalidInput, match="stopped"):
        one.stop(START + 11)
    one.resume(START + 1000)
    assert {step.state for step in one.steps.values()} == {StepState.WAITING}
    assert one.deadline == START + 1100


def test_what_failed_can_be_tried_again_after_the_end_and_what_was_not_reached_waits_again() -> None:
    one = rehearsal(("end-to-end",), escalations=("bye",), tries=1)
    one.pass_step(one.steps["e2e-bye/create"], "Created.", START, voice_call="0LQ1")
    one.settle(START)
    one.fail_step(one.steps["e2e-bye/invite"], "Refused.", START, call="c")
    one.settle(START)
    assert one.state is RehearsalState.FAILED
    with pytest.raises(InvalidInput, match="retry that one"):
        one.retry("e2e-bye/agent", START + 1)
    one.retry("e2e-bye/invite", START + 1)
    assert one.running
    assert one.steps["e2e-bye/invite"].state is StepState.WAITING
    assert one.steps["e2e-bye/closed"].state is StepState.PENDING
    assert one.steps["e2e-bye/create"].state is StepState.PASSED


def test_a_step_that_is_left_out_counts_neither_way_and_those_behind_it_have_their_turn() -> None:
    one = rehearsal(("connectivity", "end-to-end"), escalations=("bye",))
    one.skip("e2e-bye/create", START)
    assert one.steps["e2e-bye/invite"].state is StepState.WAITING
    with pytest.raises(InvalidInput, match="skipped already"):
        one.skip("e2e-bye/create", START)


def test_a_rehearsal_with_a_step_left_out_is_incomplete_until_that_step_passed() -> None:
    one = rehearsal(("connectivity",))
    frankfurt, london = one.steps.values()
    one.pass_step(frankfurt, "Yes.", START, call="c")
    one.skip(london.id, START)
    assert (one.state, one.ended_at) == (RehearsalState.INCOMPLETE, START)
    with pytest.raises(InvalidInput, match="retry a step that was left out"):
        one.resume(START + 1)
    one.retry(london.id, START + 1)
    assert one.running
    one.pass_step(london, "Yes.", START + 2, call="d")
    one.settle(START + 2)
    assert one.state is RehearsalState.PASSED


def test_what_failed_and_is_left_out_afterwards_makes_no_passed_rehearsal() -> None:
    one = rehearsal(("connectivity",), tries=1)
    for step in one.steps.values():
        one.fail_step(step, "No.", START, call="c")
    one.settle(START)
    assert one.state is RehearsalState.FAILED
    one.told_whole = False
    states = []
    for name in one.steps:
        one.skip(name, START + 1)
        states.append(one.state.value)
    assert (states, one.told_whole) == (["failed", "incomplete"], True)
    with pytest.raises(InvalidInput, match="retry a step"):
        one.resume(START + 2)
