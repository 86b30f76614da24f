"""Offers that break each rule, read by the real negotiation."""

from __future__ import annotations

from sbc_sim.rules.finding import Status
from sbc_sim.rules.policy import Policy
from sbc_sim.sdp.answer import negotiate
from tests.rules.rule_samples import CRYPTO, KEY, M_LINE, OFFER_OF_OURS, OTHER_KEY, SDP, Case, both, capabilities, changed_sdp, known, sdp

PASS, WARN, FAIL, SKIP = Status.PASS, Status.WARN, Status.FAIL, Status.SKIP
DEFAULTS = capabilities(Policy())
FINGERPRINT = "a=fingerprint:sha-256 " + ":".join(["AB"] * 32)
ANSWERED = sdp(*(line.replace(KEY, "A" * 40) for line in SDP))
WITHOUT_KEY = sdp(*(line for line in SDP if line != CRYPTO))
UNANSWERED: dict[str, object] = {"ended_by": "sbc", "end_reason": "refused"}
WRONG_TAG = sdp(*(line.replace("a=crypto:1", "a=crypto:7") for line in SDP))


def answered(answer: bytes) -> dict[str, object]:
    """We offered; the partner's answer came in the ACK."""
    return {"offer": answer, "offered_by_us": True, "negotiation": negotiate(answer, DEFAULTS, offer=sdp(*OFFER_OF_OURS))}


CASES = [
    Case("SBC-SDP-001", FAIL, "v= line", offer=sdp(*SDP[1:])),
    Case("SBC-SDP-002", WARN, "our 200 carries the offer", known(offer=None, negotiation=None, offered_by_us=True)),
    Case("SBC-SDP-018", SKIP, "has not come", known(offer=None, negotiation=None, offered_by_us=True, acknowledged_at=None)),
    Case("SBC-SDP-002", FAIL, "no session description", known(offer=None, negotiation=None), Policy(delayed_offer="refuse")),
    Case("SBC-SDP-002", SKIP, "No INVITE", known(invite=None, offer=None, negotiation=None)),
    Case("SBC-SDP-005", SKIP, "answer has not come", known(offer=None, negotiation=None, offered_by_us=True, acknowledged_at=None)),
    Case("SBC-SDP-003", FAIL, "audio", offer=sdp(*SDP[:5], "m=video 40002 RTP/SAVP 96", CRYPTO)),
    Case("SBC-SDP-004", FAIL, "port 0", offer=changed_sdp(M_LINE, "m=audio 0 RTP/SAVP 0 101")),
    Case("SBC-SDP-005", FAIL, "G729", offer=changed_sdp(M_LINE, "m=audio 40000 RTP/SAVP 18 101", "a=rtpmap:18 G729/8000")),
    Case("SBC-SDP-006", FAIL, "PCMA", offer=changed_sdp(M_LINE, "m=audio 40000 RTP/SAVP 8 101")),
    Case(
        "SBC-SDP-006",
        PASS,
        "PCMA as payload type 8",
        policy=Policy(codecs=("PCMU", "PCMA")),
        offer=changed_sdp(M_LINE, "m=audio 40000 RTP/SAVP 8 101"),
    ),
    Case("SBC-SDP-007", FAIL, "TCP/RTP", offer=changed_sdp(M_LINE, "m=audio 40000 TCP/RTP/SAVP 0 101")),
    Case("SBC-SDP-008", FAIL, "IPv6", offer=changed_sdp("c=IN IP4 192.0.2.10", "c=IN IP6 2001:db8::1")),
    Case("SBC-SDP-009", FAIL, "c=", offer=changed_sdp("c=IN IP4 192.0.2.10", None)),
    Case("SBC-SDP-010", FAIL, "pbx.example", offer=changed_sdp("c=IN IP4 192.0.2.10", "c=IN IP4 pbx.example")),
    Case("SBC-SDP-011", WARN, "100", offer=changed_sdp("a=ptime:20", "a=ptime:100")),
    Case("SBC-SDP-012", FAIL, "At most 5 ms", offer=changed_sdp("a=ptime:20", "a=maxptime:5")),
    Case("SBC-SDP-013", WARN, "telephone-event", offer=changed_sdp(M_LINE, "m=audio 40000 RTP/SAVP 0")),
    Case("SBC-SDP-014", PASS, "ICE", offer=sdp(*SDP, "a=candidate:1 1 UDP 1 192.0.2.10 40000 typ host", "a=ice-ufrag:a", "a=ice-pwd:b")),
    Case("SBC-SDP-015", PASS, "video", offer=sdp(*SDP, "m=video 40002 RTP/SAVP 96")),
    Case("SBC-SDP-016", WARN, "40001", offer=changed_sdp(M_LINE, "m=audio 40001 RTP/SAVP 0 101")),
    Case(
        "SBC-SDP-017",
        WARN,
        "version",
        known(negotiation=negotiate(changed_sdp("a=ptime:20", "a=ptime:30"), DEFAULTS, previous=sdp(*SDP))),
    ),
    Case("SBC-SDP-018", PASS, "PCMU", known(**answered(ANSWERED))),
    Case("SBC-SDP-018", FAIL, "7", known(**answered(WRONG_TAG))),
    Case("SBC-SDP-018", FAIL, "no answer to our offer", known(offer=None, negotiation=None, offered_by_us=True, **UNANSWERED)),
    Case("SBC-SDP-018", FAIL, "no answer to our offer", known(offer=None, negotiation=None, **UNANSWERED)),
    Case("SBC-SDP-018", FAIL, "cannot be used: see SBC-SRTP-004", known(**answered(WITHOUT_KEY), **UNANSWERED)),
    Case("SBC-SDP-002", PASS, "came with the INVITE", known(offer=None, negotiation=None, **UNANSWERED)),
    Case("SBC-SDP-005", SKIP, "see SBC-SDP-018", known(offer=None, negotiation=None, offered_by_us=True, **UNANSWERED)),
    Case("SBC-SDP-019", WARN, "rtpmap", offer=changed_sdp("a=rtpmap:0 PCMU/8000", "a=rtpmap:0 ?")),
    Case("SBC-SRTP-001", FAIL, "RTP/AVP", offer=sdp(*(x.replace("SAVP", "AVP") for x in SDP if x != CRYPTO))),
    Case("SBC-SRTP-002", FAIL, "RTP/AVP", offer=changed_sdp(M_LINE, "m=audio 40000 RTP/AVP 0 101")),
    Case("SBC-SRTP-002", WARN, "RTP/AVP", policy=Policy(crypto_in_avp="accept"), offer=changed_sdp(M_LINE, "m=audio 40000 RTP/AVP 0 101")),
    Case("SBC-SRTP-003", FAIL, "DTLS", offer=sdp(*(x.replace("RTP/S", "UDP/TLS/RTP/S") for x in SDP if x != CRYPTO), FINGERPRINT)),
    Case("SBC-SRTP-004", FAIL, "crypto", offer=changed_sdp(CRYPTO, None)),
    Case("SBC-SRTP-005", FAIL, "AES_256", offer=changed_sdp(CRYPTO, f"a=crypto:1 AES_256_CM_HMAC_SHA1_80 inline:{KEY}{'A' * 22}==")),
    Case("SBC-SRTP-006", FAIL, "Line", offer=changed_sdp(CRYPTO, "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2hvcnQ=")),
    Case(
        "SBC-SRTP-007",
        WARN,
        "octets",
        offer=changed_sdp(CRYPTO, "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2hvcnQ=", CRYPTO.replace(":1", ":2")),
    ),
    Case(
        "SBC-SRTP-007",
        PASS,
        "tag 2",
        offer=changed_sdp(CRYPTO, f"a=crypto:1 F8_128_HMAC_SHA1_80 inline:{OTHER_KEY}", CRYPTO.replace(":1", ":2")),
    ),
    Case("SBC-SRTP-008", PASS, "DTLS is offered beside", offer=sdp(*SDP, FINGERPRINT)),
    Case("SBC-SDP-013", SKIP, "No session could be made", offer=changed_sdp(CRYPTO, None)),
    Case("SBC-SDP-005", SKIP, "no session description", both(known(offer=None), known(negotiation=None))),
]
