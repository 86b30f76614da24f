"""Calls in which something was done wrong on purpose: how the partner took it, and what is not held against it."""

from __future__ import annotations

from typing import Any

from sbc_sim.rtp.leg import LegReport
from sbc_sim.rules.finding import Status
from sbc_sim.rules.provocation import Provocation
from tests.rules.rule_samples import NOW, Case, both, known

PASS, WARN, FAIL, SKIP, UNKNOWN = Status.PASS, Status.WARN, Status.FAIL, Status.SKIP, Status.UNKNOWN


def provoked(**seen: Any) -> Any:
    return known(provocation=Provocation(**seen))


def fault(kind: str, name: str = "", value: object = None, by: str = "api") -> Any:
    return provoked(faults=({"name": name or kind, "type": kind, "value": value, "seed": 1, "by": by},))


REFUSED = known(answered_at=None, acknowledged_at=None, report=None, leg=None, refused_status=486, ended_by="sbc", end_reason="fault")
RANG = known(answered_at=None, acknowledged_at=None, report=None, leg=None, invited_at=NOW, ended_at=NOW + 30)

REACTIONS = [
    Case("SBC-DLG-014", PASS, "20 ms after the 486", both(REFUSED, provoked(refused_at=NOW, refusal_acknowledged_at=NOW + 0.02))),
    Case("SBC-DLG-014", FAIL, "No ACK came within 32 s of the 486", both(REFUSED, provoked(refused_at=NOW))),
    Case("SBC-DLG-014", UNKNOWN, "shut down", both(REFUSED, known(end_reason="shutdown"), provoked(refused_at=NOW))),
    Case("SBC-DLG-014", SKIP, "No INVITE was refused on purpose"),
    Case("SBC-DLG-015", PASS, "waited as long", provoked(waited=True)),
    Case(
        "SBC-DLG-015", WARN, "9.0 s before", provoked(waited=True, retried="9.0 s before the time that Retry-After asked to wait was over")
    ),
    Case("SBC-DLG-016", PASS, "30.0 s after the INVITE", both(RANG, known(end_reason="cancelled"), provoked(unanswered=True))),
    Case("SBC-DLG-016", FAIL, "without CANCEL", both(RANG, known(end_reason="fault", ended_by="sbc"), provoked(unanswered=True))),
    Case("SBC-DLG-016", UNKNOWN, "otherwise", both(RANG, known(end_reason="api", ended_by="sbc"), provoked(unanswered=True))),
    Case("SBC-DLG-017", PASS, "2 BYEs came", provoked(byes=2, packets_after_bye=3)),
    Case("SBC-DLG-017", WARN, "200 packets", provoked(byes=1, packets_after_bye=200)),
    Case("SBC-DLG-017", UNKNOWN, "not looked at", provoked(byes=1)),
    Case("SBC-DLG-018", PASS, "a=recvonly", provoked(hold_asked=True, hold_status=200, hold_direction="recvonly")),
    Case("SBC-DLG-018", PASS, "a=inactive", provoked(hold_asked=True, hold_status=200, hold_direction="inactive")),
    Case("SBC-DLG-018", FAIL, "a=sendrecv", provoked(hold_asked=True, hold_status=200)),
    Case("SBC-DLG-018", FAIL, "not answered", provoked(hold_asked=True, hold_status=408)),
    Case("SBC-DLG-018", WARN, "refused with 488", provoked(hold_asked=True, hold_status=488)),
    Case("SBC-DLG-018", UNKNOWN, "ended before", provoked(hold_asked=True)),
    Case("SBC-DLG-018", UNKNOWN, "We dropped the connection", provoked(hold_asked=True, reset_at=NOW)),
    Case("SBC-DLG-019", PASS, "after 1.5 s", provoked(reset_at=NOW, back_at=NOW + 1.5)),
    Case("SBC-DLG-019", WARN, "no new connection", provoked(reset_at=NOW)),
    Case("SBC-DLG-019", UNKNOWN, "from our side", both(known(ended_by="sbc", end_reason="api"), provoked(reset_at=NOW))),
    Case("SBC-DLG-019", UNKNOWN, "from our side", both(known(ended_by="sbc", end_reason="fault"), provoked(reset_at=NOW))),
    Case("SBC-DLG-019", UNKNOWN, "from our side", both(known(ended_by="sbc", end_reason="escalated"), provoked(reset_at=NOW))),
    Case("SBC-DLG-019", WARN, "no new connection", both(known(ended_by="sbc", end_reason="media-timeout"), provoked(reset_at=NOW))),
]

SILENT = known(report=LegReport(), ended_at=NOW + 1.2)
DEAF = known(report=LegReport(packets_received=900, packets_sent=900, echoed_packets=900, peer_fraction_lost=1.0))

EXCUSED = [
    Case(
        "SBC-DLG-013", SKIP, "test number 4080 (no-answer)", both(RANG, known(end_reason="cancelled"), fault("no-answer", by="number 4080"))
    ),
    Case("SBC-MEDIA-001", SKIP, "the fault early (bye-after) on purpose", both(SILENT, fault("bye-after", "early"))),
    Case("SBC-MEDIA-004", SKIP, "the fault deaf (wrong-key)", both(DEAF, fault("wrong-key", "deaf"))),
    Case("SBC-MEDIA-004", FAIL, "hears nothing", both(DEAF, fault("hold"))),
    Case("SBC-MEDIA-018", SKIP, "(one-way)", both(known(ended_by="sbc", end_reason="media-timeout"), fault("one-way", value="in"))),
    Case("SBC-MEDIA-018", FAIL, "No media came", both(known(ended_by="sbc", end_reason="media-timeout"), fault("one-way", value="out"))),
    Case("SBC-DLG-002", PASS, "a fault of ours, on purpose", both(known(ended_by="sbc", end_reason="fault"), fault("bye-after"))),
]
"""What a fault has caused is not held against the partner, and what it cannot have caused is."""

CASES = [*REACTIONS, *EXCUSED]
