"""The part of our API that tells about voice calls of the Telephony Integration API, and takes the keys for their tokens."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from twisted.internet.defer import Deferred

from sbc_sim.calls.nearest import did_you_mean
from sbc_sim.exports.redaction import mask_values
from sbc_sim.http.bodies import read_body
from sbc_sim.http.exchange import JSON, Asked, Reply, json_reply
from sbc_sim.http.problem import Problem, bad_request, not_found
from sbc_sim.http.routes import Route
from sbc_sim.http.telephony_source import TelephonySource, full_findings, times_shown, voice_call_shown
from sbc_sim.http.work import Work
from sbc_sim.journal.entries import Kind
from sbc_sim.journal.store import MOST_PER_PAGE, Store
from sbc_sim.telephony.ids import ORG, looks_like, number_of
from sbc_sim.telephony.keys import LONGEST_PEM, BadKey, KeyEntry, read_keys
from sbc_sim.telephony.record import VoiceCall, brief

PEM_TYPES = ("application/x-pem-file", "text/plain", "application/octet-stream", "application/x-x509-ca-cert")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
MOST_OCTETS = 512 * 1024
"""Of the voice calls of one page: each is searched for secrets."""


class VoiceCallsApi:
    """Routes about voice calls and keys."""

    def __init__(self, source: TelephonySource | None, store: Store, views: Work) -> None:
        """`source` None: the Telephony Integration API is switched off. `views`: the lane for what a page shows."""
        self._source = source
        self._store = store
        self._views = views

    def routes(self) -> tuple[Route, ...]:
        """The lines for the route table."""
        calls, keys = "/api/v1/voice-calls", "/api/v1/telephony/keys"
        return (
            Route("GET", calls, self.voice_calls, "Voice calls of the Telephony Integration API, newest first",
                  ("partner", "limit", "cursor"), response="VoiceCalls", problems=(404,)),
            Route("GET", f"{calls}/{{id}}", self.voice_call, "One voice call, with its requests and findings", response="VoiceCallFull"),
            Route("GET", keys, self.keys, "Public keys by which tokens are checked", response="TelephonyKeys", problems=(404,)),
            Route("PUT", f"{keys}/{{name}}", self.put_key, "Give public keys for a partner's tokens", ("orgId", "callCenter"),
                  consumes=(JSON, *PEM_TYPES), body_limit=LONGEST_PEM, request="KeyBody", response="TelephonyKey", problems=(503,)),
            Route("DELETE", f"{keys}/{{name}}", self.drop_key, "Forget the keys of a name", produces="", status=HTTPStatus.NO_CONTENT,
                  problems=(503,)),
        )  # fmt: skip

    @property
    def _telephony(self) -> TelephonySource:
        if self._source is None:
            raise Problem(404, "no-telephony", "The Telephony Integration API is switched off.", "Set telephony.enabled: true.")
        return self._source

    # --- voice calls ---------------------------------------------------------------------------------------------------

    def voice_calls(self, asked: Asked) -> Deferred[Reply]:
        """List them, without what may be long."""
        query, table = asked.query, self._telephony.model.table
        limit, below = _number(query, "limit", 50, MOST_PER_PAGE), _number(query, "cursor", 2**62, 2**62)
        wanted = [
            record for record in table if number_of(record.id) < below and query.get("partner") in (None, record.partner)
        ]  # fmt: skip
        page = wanted[: _fitting(wanted[:limit])]
        more = str(number_of(page[-1].id)) if len(wanted) > len(page) else None

        def show() -> Reply:
            return json_reply({"voiceCalls": [_shown(brief(record.data())) for record in page], "next": more})

        return self._views.share(("voice-calls", more, *map(id, page)), show)  # records never change: another one is another object

    def voice_call(self, asked: Asked) -> Deferred[Reply]:
        """Tell all about one, by its id or its vendorCallKey."""
        model = self._telephony.model
        record = model.find(asked.names["id"])
        if record is None:
            raise not_found("voice-call", asked.names["id"], "GET /api/v1/voice-calls lists those that are kept; the oldest are forgotten.")
        linked = [child.id for child in model.linked_to(record.id)]
        log = self._log(record)

        def show() -> Reply:
            return json_reply({**voice_call_json(record), "linkedCalls": linked, "log": [_request_json(told) for told in log]})

        return self._views.share(("voice-call", id(record), len(linked), len(log)), show)

    def _log(self, record: VoiceCall) -> list[Mapping[str, Any]]:
        """The requests about a voice call: those that are remembered, and those that stand in the trace of its SIP call."""
        told = {str(one.get("id")): one for one in self._telephony.model.requests_of(record)}
        trace = self._store.trace(record.call) if record.call else None
        for entry in trace.entries if trace is not None else ():
            if entry.kind is Kind.TELEPHONY and entry.data.get("voiceCallId") == record.id:
                told.setdefault(str(entry.data.get("id")), entry.data)
        return [told[name] for name in sorted(told)]

    # --- keys ----------------------------------------------------------------------------------------------------------

    def keys(self, asked: Asked) -> Reply:
        """List the keys: whose they are, how long, and their fingerprints."""
        ring = self._telephony.model.ring
        return json_reply({"verify": self._telephony.model.options.verify, "keys": [entry.data() for entry in ring.entries]})

    def put_key(self, asked: Asked) -> Reply:
        """Take the keys of a name, instead of what was there."""
        name, source = asked.names["name"], self._telephony
        if not _NAME.fullmatch(name):
            raise bad_request("bad-name", f"{name[:80]!r} cannot be a name.", "Use letters, digits, dot, dash and underscore, 63 at most.")
        given = self._given(asked)
        self._check_whose(given["org"], given["partner"])
        try:
            entry = KeyEntry(name, read_keys(given["pem"]), given["org"], given["call_center"], given["partner"], "api")
            source.put_key(entry)
        except BadKey as error:
            said = str(error)
            fix = error.fix or "Send the public key or the certificate in PEM, as body or as the member pem."
            raise bad_request("bad-key", f"{said[0].upper()}{said[1:]}.", fix) from None
        return json_reply(entry.data())

    def _check_whose(self, org: str, partner: str) -> None:
        """Raise Problem 400 for an org that no iss can name, and for a partner that there is not."""
        if org and not looks_like(org, ORG):
            fix = "Send the org id: 15 or 18 characters that begin with 00D (Setup, Company Information)."
            raise bad_request("bad-org", f"orgId is {org[:40]!r}, which no iss can match.", fix, member="orgId")
        known = self._telephony.partners
        if partner and known and partner not in known:
            raise bad_request("bad-partner", f"There is no partner {partner[:80]!r}.", did_you_mean(partner, known), member="partner")

    def _given(self, asked: Asked) -> dict[str, Any]:
        """What a PUT brings, as PEM or as JSON."""
        query = {"org": asked.query.get("orgId", ""), "call_center": asked.query.get("callCenter", ""), "partner": ""}
        if asked.media_type != JSON:
            return {**query, "pem": asked.body}
        body = read_body(asked.body, "KeyBody")
        named = {"org": body.org_id or query["org"], "call_center": body.call_center or query["call_center"], "partner": body.partner or ""}
        return {**named, "pem": body.pem.encode("utf-8", "surrogatepass")}

    def drop_key(self, asked: Asked) -> Reply:
        """Forget keys."""
        if not self._telephony.drop_key(asked.names["name"]):
            raise not_found("key", asked.names["name"], "GET /api/v1/telephony/keys lists those that there are.")
        return Reply(204, b"")


def _fitting(records: Sequence[VoiceCall]) -> int:
    """How many make up a page: one at least, and as many as are soon searched for secrets."""
    octets = 0
    for place, record in enumerate(records):
        octets += len(json.dumps(brief(record.data())))
        if octets > MOST_OCTETS and place:
            return place
    return len(records)


def voice_call_json(record: VoiceCall) -> dict[str, Any]:
    """A voice call as JSON, secrets masked."""
    return _shown(record.data())


def _shown(data: Mapping[str, Any]) -> dict[str, Any]:
    masked: dict[str, Any] = mask_values(voice_call_shown(data))
    return masked


def _request_json(told: Mapping[str, Any]) -> dict[str, Any]:
    findings = told.get("findings") or ()
    full = [one if "title" in one else next(iter(full_findings([one])), dict(one)) for one in findings]
    return {**mask_values(dict(told)), **times_shown(told), "findings": mask_values(full)}


def _number(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 19 and 1 <= int(text) <= most):
        raise bad_request("bad-number", f"{name}={text[:40]!r} is out of range.", f"Use a whole number from 1 to {most}.")
    return int(text)
