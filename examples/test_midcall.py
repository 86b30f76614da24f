"""What happens while a call is up."""

from __future__ import annotations


def test_a_bye_from_the_other_side_is_answered(sbc_sim, my_sbc):
    my_sbc.call("+15550100", sbc_sim.echo_uui, seconds=30)
    call = sbc_sim.wait_for_call(state="answered")
    call.hang_up().assert_passed(ignore=["SBC-MEDIA-*"])
    assert call.ended_by == "sbc"


def test_a_call_that_is_given_back_ends_in_good_order(sbc_sim, my_sbc):
    my_sbc.call("+15550100", sbc_sim.echo_uui, seconds=30)
    call = sbc_sim.wait_for_call(state="answered")
    sbc_sim.escalate(call, mode="bye", why="the customer asks for a person")
    call.wait()
    assert call.escalation["mode"] == "bye"
    assert [one["summary"] for one in call.messages()][-1].startswith("200")
