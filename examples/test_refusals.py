"""Calls that are not answered: by test number, and by a fault that strikes numbers of your own."""

from __future__ import annotations


def test_busy_is_taken_as_busy(sbc_sim, my_sbc):
    my_sbc.call("4860", sbc_sim.echo_uui)
    call = sbc_sim.wait_for_call(to="4860")
    assert (call.state, call.status) == ("rejected", 486)
    call.assert_rule("SBC-DLG-014")  # the refusal was acknowledged


def test_an_overloaded_region_is_left_alone(sbc_sim, my_sbc):
    overload = sbc_sim.faults.add("overload", 10, number="+1555*")
    my_sbc.call("+15550100", sbc_sim.echo_uui)
    call = sbc_sim.wait_for_call(state="rejected")
    assert call.status == 503
    assert overload.hits == 1
    assert call.faults[0]["name"] == overload.name
