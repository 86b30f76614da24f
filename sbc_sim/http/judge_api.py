"""Traces from outside: judged by the same rules, and held against a call of ours. Nothing of them is kept."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

from sbc_sim.exports.redaction import mask_values
from sbc_sim.http.bodies import read_body
from sbc_sim.http.documents_api import still
from sbc_sim.http.exchange import JSON, Asked, Reply, json_reply
from sbc_sim.http.problem import Problem, bad_request, no_call
from sbc_sim.http.routes import Route
from sbc_sim.http.work import Patience, Work
from sbc_sim.journal.store import Store
from sbc_sim.rules.policy import Policy

if TYPE_CHECKING:
    from sbc_sim.traces.recording import Recording

TRACES = ("text/plain", "application/vnd.tcpdump.pcap", "application/octet-stream")
LONGEST = 20.0
"""Seconds of work on one trace."""
MOST_CALLS = 50
"""Calls of one trace that are told in full."""


class JudgeApi:
    """Routes about traces."""

    def __init__(self, store: Store, policy: Policy, work: Work, upload_limit: int) -> None:
        """`upload_limit`: octets of a trace."""
        self._store = store
        self.policy = policy
        self._work = work
        self.upload_limit = upload_limit

    def routes(self) -> tuple[Route, ...]:
        """The lines for the route table."""
        in_json = self.upload_limit * 4 // 3 + 1024 * 1024  # Base64, and room for a key log
        return (
            Route("POST", "/api/v1/judge", self.judge, "Judge a trace", consumes=(JSON, *TRACES), body_limit=in_json,
                  raw_limit=self.upload_limit, request="TraceBody", response="Judged", problems=(422, 503)),
            Route("POST", "/api/v1/compare", self.compare, "Hold a trace against a call", body_limit=in_json,
                  request="CompareRequest", response="Comparison", problems=(404, 422, 503)),
        )  # fmt: skip

    def judge(self, asked: Asked) -> Deferred[Reply]:
        """Judge every call of a trace."""

        patience = Patience(LONGEST)

        def work() -> Reply:
            from sbc_sim.offline.judge import judge
            from sbc_sim.offline.telling import judged_data

            judged = judge(self.recording(asked, patience), self.policy, spent=patience.spent)
            _check_time(patience)
            told = judged_data(replace(judged, calls=judged.calls[:MOST_CALLS]))
            if len(judged.calls) > MOST_CALLS:
                found = len(judged.calls)
                told["notes"].append(f"{found} calls were judged, the first {MOST_CALLS} are shown: cut the trace to what matters.")
            return json_reply(told)

        return self._work.do(work, patience)

    def compare(self, asked: Asked) -> Deferred[Reply]:
        """Say what changed between the partner's trace and a call of ours."""
        patience = Patience(LONGEST)
        reading = self._work.do(lambda: read_body(asked.body, "CompareRequest"), patience)  # tens of megabytes take their time
        return reading.addCallback(lambda wanted: self._work.go_on(self._comparing(wanted, patience), patience))

    def _comparing(self, wanted: Any, patience: Patience) -> Callable[[], Reply]:
        """Take the call from the store, on the reactor's thread; give the job."""
        ours = self._store.trace(wanted.call)
        if ours is None:
            raise no_call(self._store, wanted.call)
        kept = still(ours)

        def work() -> Reply:
            from sbc_sim.offline.compare import compare, comparison_data

            compared = compare(self._from_model(wanted.theirs, patience), kept, self.policy, patience.spent)
            _check_time(patience)
            return json_reply(mask_values(comparison_data(compared)))

        return work

    def recording(self, asked: Asked, patience: Patience) -> Recording:
        """Read the trace that a request brings. Raises Problem."""
        if asked.media_type in TRACES:
            return self._read(asked.body, "", patience)
        return self._from_model(read_body(asked.body, "TraceBody"), patience)

    def _from_model(self, body: Any, patience: Patience) -> Recording:
        if body.text is not None:
            return self._read(body.text.encode("utf-8", "surrogateescape"), body.key_log or "", patience)
        try:
            data = b64decode(body.capture, validate=True)
        except (binascii.Error, ValueError):
            raise bad_request("bad-base64", "capture is not Base64.", "Encode the octets of the file, without line breaks.") from None
        return self._read(data, body.key_log or "", patience)

    def _read(self, data: bytes, key_log: str, patience: Patience) -> Recording:
        from sbc_sim.traces.reading import read_trace
        from sbc_sim.traces.recording import TraceError

        if len(data) > self.upload_limit:
            fix = "Cut the trace to the call, or raise http.upload_bytes."
            raise Problem(413, "body-too-large", f"The trace is larger than {self.upload_limit} octets.", fix, limit=self.upload_limit)
        if not data:
            raise bad_request("no-trace", "The body is empty.", "Send SIP messages as text, or a pcap or pcapng file.")
        try:
            recording = read_trace(data, key_log, spent=patience.spent)
        except TraceError as error:
            raise Problem(422, "unreadable-trace", f"{error}", "Send SIP messages as text, or a pcap or pcapng file.") from None
        _check_time(patience)
        return recording


def _check_time(patience: Patience) -> None:
    """Refuse a trace that was cut for its time: a verdict on half a call would mislead. Raises Problem 422."""
    if patience.over:
        fix = "Cut the trace to the call, or judge it with `sbc-sim judge FILE`, which takes the time that it needs."
        raise Problem(422, "trace-takes-too-long", f"The trace was not done after {LONGEST:g} s of work.", fix)
