"""The connectivity test that every partner has to pass, and a closer look at what the SBC sends."""

from __future__ import annotations


def test_a_call_passes_every_rule(sbc_sim, my_sbc):
    my_sbc.call("+15550100", sbc_sim.echo_uui)
    call = sbc_sim.wait_for_call(uui={"orgId": "echo-test-org"})
    call.assert_passed()
    assert call.ended_by == "partner"
    assert call.media["codec"] == "PCMU"
    assert call.media["echoedPackets"] >= 20


def test_the_user_to_user_header_arrives_octet_by_octet(sbc_sim, my_sbc):
    content = {"orgId": "echo-test-org", "scrt2Domain": "afv-wss-echo:7442", "vendorCallKey": "k-1"}
    my_sbc.call("+15550100", sbc_sim.uui(content), seconds=0.2)
    call = sbc_sim.wait_for_call(uui={"vendorCallKey": "k-1"})
    assert call.uui["raw"] == sbc_sim.uui(content)
    call.assert_rule("SBC-UUI-002")
