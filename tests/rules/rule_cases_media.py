"""Media reports that break each rule, and calls too short or on hold for a judgement."""

from __future__ import annotations

from sbc_sim.rtp.leg import Direction, DtmfEvent, MediaConduct, SrtpKey
from sbc_sim.rules.finding import Status
from sbc_sim.rules.policy import Policy
from tests.rules.rule_samples import HELD_LEG, NOW, Case, a_leg, both, known, reported

PASS, WARN, FAIL, SKIP, UNKNOWN = Status.PASS, Status.WARN, Status.FAIL, Status.SKIP, Status.UNKNOWN
NOTHING = {
    "packets_received": 0,
    "packets_sent": 0,
    "echoed_packets": 0,
    "expected": 0,
    "payload_types": (),
    "ssrcs": 0,
    "first_packet_at": None,
    "last_packet_at": None,
    "packet_ms": None,
    "audio_packets": 0,
    "dtmf": (),
    "remote": None,
    "rtcp_received": 0,
    "peer_fraction_lost": None,
}
AGENT_LEG = a_leg(conduct=MediaConduct("agent"))
WITH_AGENT = known(leg=AGENT_LEG, scenario="agent")
BRIEF = known(ended_at=NOW + 1.5)


def missing(**changed: object) -> dict[str, object]:
    return {**NOTHING, **changed}


SRTP = [
    Case("SBC-SRTP-009", FAIL, "400 SRTP packets failed", reported(**missing(auth_failures=400))),
    Case("SBC-SRTP-009", WARN, "20 SRTP packets failed", reported(auth_failures=20)),
    Case("SBC-SRTP-009", FAIL, "Wrong key or wrong suite.", reported(**missing(auth_failures=400))),
    Case(
        "SBC-SRTP-009",
        FAIL,
        "Wrong suite: the tags have 4 octets, as with AES_CM_128_HMAC_SHA1_32.",
        reported(**missing(auth_failures=400, failed_tag_octets=4)),
    ),
    Case("SBC-SRTP-009", FAIL, "as with AEAD_AES_128_GCM or AEAD", reported(**missing(auth_failures=400, failed_tag_octets=16))),
    Case("SBC-SRTP-009", FAIL, "Wrong key: the tags have the 10 octets", reported(**missing(auth_failures=400, failed_tag_octets=10))),
    Case(
        "SBC-SRTP-009",
        FAIL,
        "the 16 octets of AEAD_AES_256_GCM (and of AEAD_AES_128_GCM).",
        both(
            reported(**missing(auth_failures=400, failed_tag_octets=16)),
            known(leg=a_leg(receive_key=SrtpKey("AEAD_AES_256_GCM", bytes(44)))),
        ),
    ),
    Case("SBC-SRTP-009", WARN, "went on with a replaced key: 300 packets", reported(old_key=300)),
    Case("SBC-SRTP-009", WARN, "went on with a replaced key: 300 packets", reported(**missing(old_key=300))),
    Case("SBC-SRTP-009", PASS, "0 failed. 3 came under the key that a re-INVITE had replaced.", reported(old_key=3)),
    Case("SBC-SRTP-009", PASS, "9 failed", reported(auth_failures=9)),
    Case("SBC-SRTP-009", SKIP, "No media", reported(**NOTHING)),
    Case("SBC-SRTP-010", FAIL, "500 packets of clear RTP", reported(**missing(plain_rtp=500))),
    Case("SBC-SRTP-010", WARN, "2 packets of clear RTP", reported(plain_rtp=2)),
    Case("SBC-SRTP-011", WARN, "9 clear,", reported(rtcp_plain=9)),
    Case("SBC-SRTP-011", WARN, "1 with a wrong tag", reported(rtcp_auth_failures=1)),
    Case("SBC-SRTP-011", PASS, "2 clear RTCP packets were dropped beside", reported(rtcp_plain=2)),
    Case("SBC-SRTP-011", PASS, "1 clear RTCP packet was dropped beside", reported(rtcp_plain=1)),
    Case("SBC-SRTP-011", UNKNOWN, "1 clear RTCP packet was dropped, and no SRTCP came", reported(rtcp_plain=1, rtcp_received=0)),
    Case("SBC-SRTP-011", SKIP, "No RTCP", reported(**NOTHING)),
    Case("SBC-SRTP-012", WARN, "30 packets were replays", reported(replayed=30)),
]

ECHO = [
    Case("SBC-MEDIA-001", FAIL, "Nothing arrived: see SBC-MEDIA-002", reported(**NOTHING)),
    Case("SBC-MEDIA-001", FAIL, "see SBC-SRTP-009", reported(**missing(auth_failures=400))),
    Case("SBC-MEDIA-001", FAIL, "see SBC-SRTP-009", reported(**missing(old_key=400))),
    Case("SBC-MEDIA-001", FAIL, "see SBC-SRTP-010", reported(**missing(plain_rtp=400))),
    Case("SBC-MEDIA-001", FAIL, "see SBC-MEDIA-003", reported(echoed_packets=0, packets_sent=0)),
    Case("SBC-MEDIA-001", FAIL, "see SBC-MEDIA-011", reported(echoed_packets=0, wrong_payload=900)),
    Case("SBC-MEDIA-001", FAIL, "40 packets in", reported(packets_received=40, echoed_packets=40)),
    Case("SBC-MEDIA-001", WARN, "lasted 0.5 s: too short to prove the echo", both(reported(packets_received=20, echoed_packets=20), BRIEF)),
    Case(
        "SBC-MEDIA-001",
        WARN,
        "Too short to prove the echo: 40 packets came in 1.6 s, all were echoed",
        both(reported(packets_received=40, echoed_packets=40, expected=40), known(ended_at=NOW + 2.6)),
    ),
    Case(
        "SBC-MEDIA-001",
        WARN,
        "40 packets came in 1.6 s",
        both(reported(packets_received=40, echoed_packets=32, payload_types=((0, 32), (101, 8)), expected=40), known(ended_at=NOW + 2.6)),
    ),
    Case(
        "SBC-MEDIA-001",
        WARN,
        "came in 4.5 s",
        both(reported(packets_received=40, echoed_packets=40, first_packet_at=NOW + 4.2), known(ended_at=NOW + 5.5)),
    ),
    Case("SBC-MEDIA-001", FAIL, "sent too little, or stopped", reported(packets_received=40, echoed_packets=40)),
    Case(
        "SBC-MEDIA-001",
        FAIL,
        "Not proved: 40 packets in, 30 echoed",
        both(reported(packets_received=40, echoed_packets=30, payload_types=((0, 40),)), known(ended_at=NOW + 2.6)),
    ),
    Case(
        "SBC-MEDIA-001",
        FAIL,
        "see SBC-SRTP-009",
        both(reported(packets_received=40, echoed_packets=40, auth_failures=400), known(ended_at=NOW + 2.6)),
    ),
    Case("SBC-MEDIA-001", SKIP, "on hold", both(reported(**NOTHING), known(leg=HELD_LEG, held_s=18.0))),
    Case("SBC-MEDIA-002", FAIL, "from 192.0.2.10:40000 (2 STUN", reported(**missing(stun=2, rtcp_received=1))),
    Case("SBC-MEDIA-002", PASS, "Media arrived", reported(**missing(auth_failures=400))),
    Case("SBC-MEDIA-002", UNKNOWN, "hardly time", both(reported(**NOTHING), BRIEF)),
    Case("SBC-MEDIA-003", FAIL, "none was sent back. 7 packets could not be sent", reported(packets_sent=0, send_errors=7)),
    Case("SBC-MEDIA-003", WARN, "100 packets could not be sent", reported(send_errors=100)),
    Case("SBC-MEDIA-003", SKIP, "nothing to echo", reported(**NOTHING)),
    Case("SBC-MEDIA-003", SKIP, "inactive on our side", both(reported(packets_sent=0), known(leg=a_leg(direction=Direction.INACTIVE)))),
    Case("SBC-MEDIA-004", FAIL, "lost 100%", reported(peer_fraction_lost=1.0)),
    Case("SBC-MEDIA-004", WARN, "lost 10%", reported(peer_fraction_lost=0.1)),
    Case("SBC-MEDIA-004", PASS, "round trip 12 ms"),
    Case("SBC-MEDIA-004", WARN, "no report about our stream", reported(peer_fraction_lost=None)),
    Case("SBC-MEDIA-004", UNKNOWN, "has not reported", reported(peer_fraction_lost=None, rtcp_received=0)),
    Case("SBC-MEDIA-004", SKIP, "Nothing was sent", reported(**NOTHING)),
    Case("SBC-MEDIA-005", WARN, "Both are below -55 dBFS (media.silence_dbfs)", reported(level_dbfs=-70.0, peak_dbfs=-60.0)),
    Case("SBC-MEDIA-005", WARN, "The mean is below -55 dBFS", reported(level_dbfs=-70.0, peak_dbfs=-20.0)),
    Case("SBC-MEDIA-005", WARN, "Both are below -5 dBFS", policy=Policy(silence_dbfs=-5.0)),
    Case(
        "SBC-MEDIA-005",
        PASS,
        "silence is below -75 dBFS",
        reported(silent_packets=1000, level_dbfs=-70.0, peak_dbfs=-60.0),
        Policy(silence_dbfs=-75.0),
    ),
    Case("SBC-MEDIA-005", SKIP, "not known", reported(level_dbfs=None, peak_dbfs=None)),
    Case("SBC-MEDIA-005", SKIP, "Too little", reported(**NOTHING)),
    Case("SBC-MEDIA-001", SKIP, "not answered", known(report=None, answered_at=None)),
    Case("SBC-MEDIA-001", SKIP, "never started", known(report=None)),
]

QUALITY = [
    Case("SBC-MEDIA-006", WARN, "50 of 1000 packets were lost (5.0%", reported(lost=50)),
    Case("SBC-MEDIA-006", SKIP, "Too few", reported(**NOTHING)),
    Case("SBC-MEDIA-007", WARN, "Jitter 45.0 ms", reported(jitter_ms=45.0, max_jitter_ms=50.0)),
    Case("SBC-MEDIA-007", PASS, "at most 50.0 ms", reported(max_jitter_ms=50.0)),
    Case("SBC-MEDIA-007", WARN, "at most 80.0 ms", reported(max_jitter_ms=80.0)),
    Case("SBC-MEDIA-008", WARN, "3000 ms after", reported(first_packet_at=NOW + 4)),
    Case("SBC-MEDIA-007", WARN, "may be its own delay", reported(jitter_ms=45.0, max_jitter_ms=50.0, max_echo_delay_ms=900.0)),
    Case("SBC-MEDIA-008", WARN, "overloaded (SBC-MEDIA-020: 900.0 ms)", reported(first_packet_at=NOW + 4, max_echo_delay_ms=900.0)),
    Case("SBC-MEDIA-008", SKIP, "No packet", reported(**NOTHING)),
    Case(
        "SBC-MEDIA-009", WARN, "192.0.2.99:4, the SDP says 192.0.2.10:40000; our media goes there too", reported(remote=("192.0.2.99", 4))
    ),
    Case("SBC-MEDIA-009", WARN, "address of the SDP", both(reported(remote=("192.0.2.99", 4)), known(leg=a_leg(latch=False)))),
    Case("SBC-MEDIA-009", WARN, "3 packets came from another source", reported(stray=3)),
    Case("SBC-MEDIA-010", WARN, "Packets of 100 ms", reported(packet_ms=100.0)),
    Case("SBC-MEDIA-010", PASS, "Packets of 30 ms", reported(packet_ms=30.0)),
    Case("SBC-MEDIA-011", FAIL, "900 packets carry another", reported(wrong_payload=900, payload_types=((8, 900), (0, 100)))),
    Case("SBC-MEDIA-011", WARN, "0: 1000, 13: 5", reported(wrong_payload=5, payload_types=((0, 1000), (13, 5)))),
    Case("SBC-MEDIA-012", WARN, "No RTCP came in 20 s", reported(rtcp_received=0)),
    Case("SBC-MEDIA-012", UNKNOWN, "too short", both(reported(rtcp_received=0), BRIEF)),
    Case("SBC-MEDIA-013", WARN, "60 packets came", both(reported(unwanted_while_held=60), known(held_s=5.0))),
    Case("SBC-MEDIA-013", PASS, "5 s on hold, 3 packets", both(reported(unwanted_while_held=3), known(held_s=5.0))),
    Case("SBC-MEDIA-014", WARN, "2 SSRC in 1 offer", reported(ssrcs=2)),
    Case("SBC-MEDIA-014", PASS, "2 SSRC in 2 offers", both(reported(ssrcs=2), known(methods={"INVITE": 1}))),
    Case("SBC-MEDIA-015", WARN, "Digits 5", reported(dtmf=(DtmfEvent("5", NOW, 30),))),
    Case("SBC-MEDIA-015", PASS, "Digits 42", reported(dtmf=(DtmfEvent("4", NOW, 80), DtmfEvent("2", NOW + 1, 90)))),
    Case("SBC-MEDIA-016", WARN, "12 datagrams", reported(malformed=12)),
    Case("SBC-MEDIA-017", WARN, "4 DTLS", reported(dtls=4)),
    Case(
        "SBC-MEDIA-018",
        FAIL,
        "last packet came 10 s",
        both(reported(last_packet_at=NOW + 11), known(ended_by="sbc", end_reason="media-timeout")),
    ),
    Case("SBC-MEDIA-019", WARN, "20 packets out of order", reported(reordered=20)),
    Case("SBC-MEDIA-019", PASS, "5 twice", reported(duplicates=5)),
    Case("SBC-MEDIA-020", PASS, "left 3.0 ms after", reported(max_echo_delay_ms=3.0)),
    Case("SBC-MEDIA-020", WARN, "250.0 ms after its packet came (up to 100 ms is fine). The simulator", reported(max_echo_delay_ms=250.0)),
    Case("SBC-MEDIA-020", WARN, "up to 2 ms", reported(max_echo_delay_ms=3.0), Policy(max_echo_delay_ms=2.0)),
    Case("SBC-MEDIA-020", SKIP, "Nothing was echoed", reported(max_echo_delay_ms=None)),
    Case("SBC-MEDIA-001", SKIP, "An agent answered, which echoes nothing: see SBC-MEDIA-021", both(WITH_AGENT, reported(echoed_packets=0))),
    Case("SBC-MEDIA-003", PASS, "by the agent: prompts, and silence", both(WITH_AGENT, reported(echoed_packets=0))),
    Case("SBC-MEDIA-003", FAIL, "none was sent back", both(WITH_AGENT, reported(**NOTHING))),
    Case("SBC-MEDIA-003", UNKNOWN, "hardly time", both(both(WITH_AGENT, reported(**NOTHING)), known(ended_at=NOW + 1.1))),
    Case("SBC-MEDIA-021", SKIP, "No agent answered"),
    Case("SBC-MEDIA-021", PASS, "packets from the partner, ", both(WITH_AGENT, reported(echoed_packets=0))),
    Case(
        "SBC-MEDIA-021",
        FAIL,
        "0 packets from the partner, 900 from the agent; at least 50 each way are wanted. Nothing arrived: see SBC-MEDIA-002",
        both(WITH_AGENT, reported(**missing(packets_sent=900))),
    ),
    Case("SBC-MEDIA-021", FAIL, "see SBC-SRTP-009", both(WITH_AGENT, reported(**missing(packets_sent=900, auth_failures=400)))),
    Case(
        "SBC-MEDIA-021",
        FAIL,
        "900 packets from the partner, 0 from the agent",
        both(WITH_AGENT, reported(packets_received=900, packets_sent=0)),
    ),
    Case("SBC-MEDIA-021", UNKNOWN, "too short to tell", both(both(WITH_AGENT, reported(packets_received=20, packets_sent=20)), BRIEF)),
    Case(
        "SBC-MEDIA-021",
        SKIP,
        "on hold",
        both(reported(**NOTHING), known(leg=a_leg(direction=Direction.RECVONLY, conduct=MediaConduct("agent")), held_s=18.0)),
    ),
]

CASES = [*SRTP, *ECHO, *QUALITY]
