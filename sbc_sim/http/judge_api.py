"""Traces from outside: judged by the same rules, and held against a call of ours. Nothing of them is kept."""

from __future__ import annotations

import binascii
from base64 import b64decode
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

from sbc_sim.exports.redaction import mask_values
from sbc_sim.http.bodies import read_body
from sbc_sim.http.documents_api import still
from sbc_sim.http.exchange import JSON, Asked, Reply, json_reply
from sbc_sim.http.problem import Problem, bad_request, not_found
from sbc_sim.http.routes import Route
from sbc_sim.http.work import Work
from sbc_sim.journal.store import Store
from sbc_sim.rules.policy import Policy

if TYPE_CHECKING:
    from sbc_sim.traces.recording import Recording

TRACES = ("text/plain", "application/vnd.tcpdump.pcap", "application/octet-stream")
MOST_CALLS = 50
"""Calls of one trace that are told in full."""


class JudgeApi:
    """Routes about traces."""

    def __init__(self, store: Store, policy: Policy, work: Work, upload_limit: int) -> None:
        """`upload_limit`: octets of a trace."""
        self._store = store
        self._policy = policy
        self._work = work
        self._upload_limit = upload_limit

    def routes(self) -> tuple[Route, ...]:
        """The lines for the route table."""
        in_json = self._upload_limit * 4 // 3 + 1024 * 1024  # Base64, and room for a key log
        return (
            Route("POST", "/api/v1/judge", self.judge, "Judge a trace", consumes=(JSON, *TRACES), body_limit=in_json,
                  request="TraceBody", response="Judged", problems=(422, 503)),
            Route("POST", "/api/v1/compare", self.compare, "Hold a trace against a call", body_limit=in_json,
                  request="CompareRequest", response="Comparison", problems=(404, 422, 503)),
        )  # fmt: skip

    def judge(self, asked: Asked) -> Deferred[Reply]:
        """Judge every call of a trace."""

        def work() -> Reply:
            from sbc_sim.offline.judge import judge
            from sbc_sim.offline.telling import judged_data

            judged = judge(self._recording(asked), self._policy)
            told = judged_data(replace(judged, calls=judged.calls[:MOST_CALLS]))
            if len(judged.calls) > MOST_CALLS:
                found = len(judged.calls)
                told["notes"].append(f"{found} calls were judged, the first {MOST_CALLS} are shown: cut the trace to what matters.")
            return json_reply(told)

        return self._work.do(work)

    def compare(self, asked: Asked) -> Deferred[Reply]:
        """Say what changed between the partner's trace and a call of ours."""
        wanted = read_body(asked.body, "CompareRequest")
        ours = self._store.trace(wanted.call)
        if ours is None:
            raise not_found("call", wanted.call, "GET /api/v1/calls lists the calls that are kept; old ones are forgotten.")
        kept = still(ours)

        def work() -> Reply:
            from sbc_sim.offline.compare import compare, comparison_data

            return json_reply(mask_values(comparison_data(compare(self._from_model(wanted.theirs), kept, self._policy))))

        return self._work.do(work)

    def _recording(self, asked: Asked) -> Recording:
        if asked.media_type in TRACES:
            return self._read(asked.body, "")
        return self._from_model(read_body(asked.body, "TraceBody"))

    def _from_model(self, body: Any) -> Recording:
        if body.text is not None:
            return self._read(body.text.encode("utf-8", "surrogateescape"), body.key_log or "")
        try:
            data = b64decode(body.capture, validate=True)
        except (binascii.Error, ValueError):
            raise bad_request("bad-base64", "capture is not Base64.", "Encode the octets of the file, without line breaks.") from None
        return self._read(data, body.key_log or "")

    def _read(self, data: bytes, key_log: str) -> Recording:
        from sbc_sim.traces.reading import read_trace
        from sbc_sim.traces.recording import TraceError

        if len(data) > self._upload_limit:
            fix = "Cut the trace to the call, or raise http.upload_bytes."
            raise Problem(413, "body-too-large", f"The trace is larger than {self._upload_limit} octets.", fix, limit=self._upload_limit)
        if not data:
            raise bad_request("no-trace", "The body is empty.", "Send SIP messages as text, or a pcap or pcapng file.")
        try:
            return read_trace(data, key_log)
        except TraceError as error:
            raise Problem(422, "unreadable-trace", f"{error}", "Send SIP messages as text, or a pcap or pcapng file.") from None

