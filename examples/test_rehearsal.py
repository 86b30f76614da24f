"""The checklist of the endorsement: the step waits for a real call of the SBC."""

from __future__ import annotations


def test_the_connectivity_step_of_a_region_is_passed(sbc_sim, my_sbc, tmp_path):
    rehearsal = sbc_sim.rehearse(regions=["frankfurt"], parts=["connectivity"], step_seconds=60)
    my_sbc.call("+15550100", sbc_sim.echo_uui)
    rehearsal.wait()
    rehearsal.assert_passed()
    assert rehearsal.save(tmp_path / "protocol.html").stat().st_size > 1000
