"""The four machines: every pair of state and input, and the timers that stay over TLS."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbc_sim.sip.errors import InvalidInput
from sbc_sim.sip.transaction import (
    INVITE_CLIENT_MACHINE,
    INVITE_SERVER_MACHINE,
    MACHINES,
    NON_INVITE_CLIENT_MACHINE,
    NON_INVITE_SERVER_MACHINE,
    Action,
    Input,
    State,
    Transaction,
    response_input,
)


@given(st.sampled_from(MACHINES), st.lists(st.sampled_from(list(Input)), max_size=12))
def test_any_input_either_follows_the_table_or_is_refused_as_our_own_mistake(machine, inputs):
    transaction = Transaction(machine, now=0.0)
    for what in inputs:
        before = transaction.state
        if (before, what) in machine.table:
            action = transaction.feed(what, now=1.0)
            assert action is machine.table[before, what][0]
        else:
            with pytest.raises(InvalidInput):
                transaction.feed(what, now=1.0)
            assert transaction.state is before


@pytest.mark.parametrize("machine", MACHINES, ids=lambda m: m.name)
def test_every_state_but_the_last_has_a_way_to_the_end(machine):
    reached = {State.TERMINATED}
    while True:
        more = {s for (s, _), (_, following) in machine.table.items() if following in reached} | reached
        if more == reached:
            break
        reached = more
    used = {machine.first} | {following for _, following in machine.table.values()}
    assert used <= reached


@pytest.mark.parametrize("machine", [INVITE_SERVER_MACHINE, NON_INVITE_SERVER_MACHINE], ids=lambda m: m.name)
@pytest.mark.parametrize("what", [Input.REQUEST, Input.TRANSPORT_ERROR])
def test_a_server_transaction_takes_what_a_peer_can_do_in_every_state(machine, what):
    used = {machine.first} | {following for _, following in machine.table.values()}
    passing = {State.TERMINATED} | {s for s, (_, seconds) in machine.timers.items() if seconds == 0.0}
    for state in used - passing:
        assert (state, what) in machine.table


def test_a_refused_invite_without_ack_is_given_up_after_32_seconds():
    transaction = Transaction(INVITE_SERVER_MACHINE, now=100.0)
    transaction.feed(Input.FAILURE, now=100.0)
    assert transaction.deadline == 132.0
    assert transaction.advance(131.9) is Action.NOTHING
    assert transaction.advance(132.0) is Action.TIMED_OUT
    assert transaction.over


def test_an_acknowledged_refusal_is_over_at_once_on_a_reliable_transport():
    transaction = Transaction(INVITE_SERVER_MACHINE, now=0.0)
    transaction.feed(Input.FAILURE, now=1.0)
    transaction.feed(Input.ACK, now=2.0)
    assert transaction.over


def test_an_accepted_invite_absorbs_repetitions_for_32_seconds():
    transaction = Transaction(INVITE_SERVER_MACHINE, now=0.0)
    transaction.feed(Input.SUCCESS, now=1.0)
    assert transaction.feed(Input.REQUEST, now=20.0) is Action.NOTHING
    assert transaction.state is State.ACCEPTED
    transaction.advance(33.0)
    assert transaction.over


def test_an_answered_request_other_than_invite_is_over_at_once():
    transaction = Transaction(NON_INVITE_SERVER_MACHINE, now=5.0)
    assert transaction.feed(Input.SUCCESS, now=5.0) is Action.SEND
    assert transaction.over


def test_timer_f_runs_from_the_request_also_after_a_provisional_answer():
    transaction = Transaction(NON_INVITE_CLIENT_MACHINE, now=0.0)
    transaction.feed(Input.PROVISIONAL, now=30.0)
    assert transaction.advance(32.0) is Action.TIMED_OUT


def test_a_ringing_invite_is_not_given_up_by_timer_b():
    transaction = Transaction(INVITE_CLIENT_MACHINE, now=0.0)
    transaction.feed(Input.PROVISIONAL, now=1.0)
    assert transaction.deadline is None


@pytest.mark.parametrize(
    ("status", "what"),
    [(100, Input.PROVISIONAL), (199, Input.PROVISIONAL), (200, Input.SUCCESS), (300, Input.FAILURE), (699, Input.FAILURE)],
)
def test_a_status_belongs_to_its_class(status, what):
    assert response_input(status) is what
