"""A call as a fold of its entries: the only place that knows how a journal becomes the call that API, page and reports show.

`CallView.add` takes one entry after the other; the state is plain JSON values and floats, so that a store can keep a snapshot
instead of folding again, and nothing is lost when entries in the middle of a long call had to be dropped.
Everything here is unmasked: exports/redaction masks what leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.sip.uri import host_port

MOST_FINDINGS = 500
MOST_KEYS_PRESSED = 128
MOST_AGREEMENTS = 32
MOST_AGENT_EVENTS = 200
MOST_ESCALATION_STATES = 20

_COUNTS = ("packetsReceived", "packetsSent", "lost", "jitterMs", "authFailures", "echoedPackets")

OVER = frozenset({"ended", "rejected"})
"""The states that no call leaves, but for one that was ended as lost and lives."""
LOST = "lost"
"""`endReason` of a call whose replica is there no more."""


def camel(name: str) -> str:
    """Write a Python name as JSON has it."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def rfc3339(at: float | None) -> str | None:
    """Write unix seconds as RFC 3339 UTC with milliseconds; None stays None."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(slots=True)
class CallView:
    """All that the journal tells about one call. Members named as in the call JSON; times are unix seconds."""

    id: str
    ordinal: int = 0
    """Place of the call in its store, rising; listings and cursors go by it."""
    sip_call_id: str = ""
    region: str | None = None
    partner: str | None = None
    direction: str = "inbound"
    state: str = "ringing"
    scenario: str | None = None
    caller: str = ""
    called: str = ""
    request_uri: str = ""
    user_agent: str | None = None
    peer: str | None = None
    connection: int | None = None
    numbers: dict[str, Any] = field(default_factory=dict)
    started_at: float | None = None
    answered_at: float | None = None
    ended_at: float | None = None
    ended_by: str | None = None
    end_reason: str | None = None
    end_status: int | None = None
    uui: dict[str, Any] | None = None
    agreements: list[dict[str, Any]] = field(default_factory=list)
    """`data` of each MEDIA_AGREED, with `at`; the last one is in force."""
    media: dict[str, Any] | None = None
    """`data` of the last MEDIA."""
    keys_pressed: list[dict[str, Any]] = field(default_factory=list)
    findings: list[dict[str, Any]] = field(default_factory=list)
    """In order; a later finding of the same rule and detail is not repeated."""
    verdict: dict[str, Any] | None = None
    faults: list[dict[str, Any]] = field(default_factory=list)
    """What was done wrong on purpose."""
    chosen_by: str = ""
    """How the region was found out."""
    scenario_why: str = ""
    agent: list[dict[str, Any]] = field(default_factory=list)
    """`data` of each AGENT, with `at`."""
    escalation: dict[str, Any] | None = None
    """`data` of all ESCALATION entries joined, with `check` from PARTNER_CHECK and `at` of each state."""
    escalation_of: str | None = None
    x_headers: dict[str, str] = field(default_factory=dict)
    """Custom X-headers of the INVITE that were captured."""
    voice_call: dict[str, Any] | None = None
    """`data` of the last VOICE_CALL."""
    dropped: int = 0
    """Entries that the store had to leave out."""
    replica: str = ""
    """Name of the replica that owns it; empty in a store that is not shared."""

    @property
    def over(self) -> bool:
        """True once the call has ended or was rejected."""
        return self.state in OVER

    def add(self, entry: Entry) -> None:
        """Take one more entry of this call."""
        if self.started_at is None:
            self.started_at = entry.at
        fold_one = _FOLDS.get(entry.kind)
        if fold_one is not None:
            fold_one(self, entry)

    def summary(self) -> dict[str, Any]:
        """The call as interface.md lists it, JSON values only."""
        return {
            "id": self.id,
            "sipCallId": self.sip_call_id,
            "region": self.region,
            "partner": self.partner,
            "direction": self.direction,
            "state": self.state,
            "scenario": self.scenario,
            "from": self.caller,
            "to": self.called,
            "requestUri": self.request_uri,
            "userAgent": self.user_agent,
            "peer": self.peer,
            "numbers": self.numbers,
            "startedAt": rfc3339(self.started_at),
            "answeredAt": rfc3339(self.answered_at),
            "endedAt": rfc3339(self.ended_at),
            "endedBy": self.ended_by,
            "endReason": self.end_reason,
            "endStatus": self.end_status,
            "uui": self._uui_summary(),
            "media": self._media_summary(),
            "verdict": self._verdict_summary(),
            "faults": self.faults,
            "chosenBy": self.chosen_by,
            "scenarioWhy": self.scenario_why,
            "escalation": self.escalation,
            "escalationOf": self.escalation_of,
            "xHeaders": self.x_headers,
            "voiceCallId": (self.voice_call or {}).get("voiceCallId"),
            "replica": self.replica,
        }

    def _uui_summary(self) -> dict[str, Any] | None:
        if self.uui is None:
            return None
        return {name: self.uui.get(name) for name in ("raw", "decoded", "fields", "lengths", "findings")}

    def _media_summary(self) -> dict[str, Any] | None:
        if not self.agreements and self.media is None:
            return None
        agreed = self.agreements[-1] if self.agreements else {}
        report = self.media or {}
        return {
            "codec": agreed.get("codec"),
            "suite": agreed.get("suite"),
            **{name: report.get(name, 0) for name in _COUNTS},
            "firstPacketMs": self.first_packet_ms,
            "remote": address_text(report.get("remote")) or agreed.get("remote"),
        }

    @property
    def first_packet_ms(self) -> float | None:
        """Milliseconds from our 200 to the first authentic packet; 0 when it came before the answer."""
        first = (self.media or {}).get("firstPacketAt")
        if not isinstance(first, int | float) or self.answered_at is None:
            return None
        return round(max(0.0, first - self.answered_at) * 1000, 1)

    def _verdict_summary(self) -> dict[str, Any] | None:
        if self.verdict is None:
            return None
        return {"status": self.verdict.get("status"), "counts": self.verdict.get("counts", {})}


def address_text(address: object) -> str | None:
    """Write a (host, port) pair, or what is text already, as ``host:port``."""
    if isinstance(address, list | tuple) and len(address) == 2:
        return host_port(str(address[0]), address[1])
    return address if isinstance(address, str) else None


def _started(view: CallView, entry: Entry) -> None:
    data = entry.data
    view.started_at = entry.at
    view.sip_call_id = str(data.get("sipCallId") or "")
    view.direction = str(data.get("direction") or "inbound")
    view.caller, view.called = str(data.get("from") or ""), str(data.get("to") or "")
    view.request_uri = str(data.get("requestUri") or "")
    view.region, view.partner, view.chosen_by = data.get("region"), data.get("partner"), str(data.get("chosenBy") or "")
    view.scenario, view.escalation_of = data.get("scenario"), data.get("escalationOf")
    view.user_agent, view.peer, view.connection = data.get("userAgent"), data.get("peer"), data.get("connection")
    view.numbers = dict(data.get("numbers") or {})
    view.x_headers = dict(data.get("xHeaders") or {})


def _state(view: CallView, entry: Entry) -> None:
    state = str(entry.data.get("state") or view.state)
    if view.over:
        return
    view.state = state
    if state == "answered" and view.answered_at is None:
        view.answered_at = entry.at
    if state in OVER:
        view.ended_at = entry.at


def _ended(view: CallView, entry: Entry) -> None:
    data = entry.data
    view.state = str(data.get("state") or "ended")
    view.ended_at = entry.at
    view.ended_by, view.end_reason, view.end_status = data.get("endedBy"), data.get("endReason"), data.get("status")


def _note(view: CallView, entry: Entry) -> None:
    """A call that others had ended, since its replica could not be heard, may go on after all."""
    if entry.data.get("goesOn") and view.end_reason == LOST:
        view.state = "ringing" if view.answered_at is None else "answered"
        view.ended_at = view.ended_by = view.end_reason = view.end_status = None
    if entry.data.get("goesOn") and entry.data.get("replica"):  # its name may be another one's by now
        view.replica = str(entry.data["replica"])


def _uui(view: CallView, entry: Entry) -> None:
    view.uui = dict(entry.data)


def _agreed(view: CallView, entry: Entry) -> None:
    if len(view.agreements) == MOST_AGREEMENTS:
        del view.agreements[1]
    view.agreements.append({"at": entry.at, **entry.data})


def _media(view: CallView, entry: Entry) -> None:
    view.media = dict(entry.data)


def _dtmf(view: CallView, entry: Entry) -> None:
    if len(view.keys_pressed) < MOST_KEYS_PRESSED:
        view.keys_pressed.append({"at": entry.at, **entry.data})


def _finding(view: CallView, entry: Entry) -> None:
    found = dict(entry.data)
    known = any(f.get("rule") == found.get("rule") and f.get("detail") == found.get("detail") for f in view.findings)
    if not known and len(view.findings) < MOST_FINDINGS:
        view.findings.append(found)


def _verdict(view: CallView, entry: Entry) -> None:
    view.verdict = dict(entry.data)


def _scenario(view: CallView, entry: Entry) -> None:
    view.scenario, view.scenario_why = entry.data.get("scenario"), str(entry.data.get("why") or "")
    view.faults.extend(dict(fault) for fault in entry.data.get("faults") or ())


def _agent(view: CallView, entry: Entry) -> None:
    if len(view.agent) < MOST_AGENT_EVENTS:
        view.agent.append({"at": entry.at, **entry.data})


def _escalation(view: CallView, entry: Entry) -> None:
    known = view.escalation or {"states": []}
    states = [*known["states"], {"at": rfc3339(entry.at), "state": entry.data.get("state"), "text": entry.data.get("text")}]
    view.escalation = {**known, **entry.data, "states": states[-MOST_ESCALATION_STATES:]}


def _partner_check(view: CallView, entry: Entry) -> None:
    view.escalation = {**(view.escalation or {"states": []}), "check": dict(entry.data)}


def _voice_call(view: CallView, entry: Entry) -> None:
    view.voice_call = dict(entry.data)


_FOLDS: Mapping[Kind, Callable[[CallView, Entry], None]] = {
    Kind.CALL_STARTED: _started,
    Kind.CALL_STATE: _state,
    Kind.CALL_ENDED: _ended,
    Kind.UUI: _uui,
    Kind.MEDIA_AGREED: _agreed,
    Kind.MEDIA: _media,
    Kind.DTMF: _dtmf,
    Kind.FINDING: _finding,
    Kind.VERDICT: _verdict,
    Kind.SCENARIO: _scenario,
    Kind.AGENT: _agent,
    Kind.ESCALATION: _escalation,
    Kind.PARTNER_CHECK: _partner_check,
    Kind.VOICE_CALL: _voice_call,
    Kind.NOTE: _note,
}
