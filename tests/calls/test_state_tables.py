"""The tables of call, dialog and placed call: every pair either moves on or is refused as our own mistake, and every state can end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbc_sim.calls.call_states import CALL, CallInput, CallState
from sbc_sim.partner.answered_call import TAKEN, AnsweredInput, AnsweredState
from sbc_sim.partner.placed_call import PLACED, PlacedInput, PlacedState
from sbc_sim.sip.dialog import DIALOG, Dialog, DialogInput, DialogState
from sbc_sim.sip.errors import InvalidInput

TABLES = [
    (CALL, CallState, CallInput, {CallState.ENDED, CallState.REJECTED}),
    (PLACED, PlacedState, PlacedInput, {PlacedState.DONE}),
    (TAKEN, AnsweredState, AnsweredInput, {AnsweredState.DONE}),
    (DIALOG, DialogState, DialogInput, {DialogState.TERMINATED}),
]


@pytest.mark.parametrize(("table", "states", "inputs", "last"), TABLES)
def test_every_state_can_come_to_an_end_and_every_input_is_used(table, states, inputs, last):
    ends = set(last)
    while more := {before for (before, _), after in table.items() if after in ends} - ends:
        ends |= more
    assert ends == set(states)
    assert {what for _, what in table} == set(inputs)


@pytest.mark.parametrize(("table", "states", "inputs", "last"), TABLES[:3])
def test_nothing_leaves_the_last_states(table, states, inputs, last):
    assert not [pair for pair in table if pair[0] in last]


@given(st.lists(st.sampled_from(list(DialogInput)), max_size=10))
def test_a_dialog_follows_its_table_or_refuses(inputs):
    dialog = Dialog("c", "l", "r", "<sip:a@b>;tag=l", "<sip:c@d>;tag=r", "sip:c@d")
    for what in inputs:
        before = dialog.state
        if (before, what) in DIALOG:
            dialog.feed(what)
            assert dialog.state is DIALOG[before, what]
        else:
            with pytest.raises(InvalidInput):
                dialog.feed(what)
            assert dialog.state is before
