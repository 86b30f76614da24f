"""The part of the API that tells about calls, attempts and messages, and hangs up. Everything comes from the journal.

Keys and tokens are masked in every answer; only /messages and /uui show them, when asked with ``?secrets=show``.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

from sbc_sim.exports.ladder_text import ladder_text
from sbc_sim.exports.redaction import mask_call, mask_uui, mask_values, message_text
from sbc_sim.http.bodies import read_json_object
from sbc_sim.http.documents_api import level_of, same, still
from sbc_sim.http.exchange import TEXT, Asked, Reply, json_reply, text_reply
from sbc_sim.http.problem import Problem, bad_request, no_call
from sbc_sim.http.routes import Route
from sbc_sim.http.secrets_shown import secrets_shown
from sbc_sim.http.waiting import MATCHABLE, STATES, Waiting, Wish, parse_time
from sbc_sim.http.work import Work
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.store import MOST_PER_PAGE, BadCursor, CallQuery, EntryPage, Store, Trace
from sbc_sim.journal.view import CallView, address_text, rfc3339
from sbc_sim.rules.finding import Status

Page = TypeVar("Page")
STATUSES = ("ringing", "answered", "ended", "rejected", "pass", "warn", "fail")
LONGEST_MESSAGE = 128 * 1024
"""Octets of one message that are shown."""
PAGE = 50
MESSAGE_PAGE = 200

NO_UUI: Mapping[str, Any] = {
    "header": None,
    "raw": None,
    "decoded": None,
    "fields": None,
    "named": None,
    "parameters": [],
    "jwt": None,
    "lengths": {"value": 0, "line": 0, "decoded": 0},
    "isEcho": False,
    "leadingOctet": None,
    "problems": [],
    "findings": [],
}
"""What /uui tells before a User-to-User header was read."""


class CallsApi:
    """Routes about calls."""

    def __init__(self, store: Store, waiting: Waiting, hang_up: Callable[[str], bool], longest_wait: float, views: Work) -> None:
        """See Sources and SiteOptions for the parts. `views`: the lane for what takes longer."""
        self._store = store
        self._waiting = waiting
        self._hang_up = hang_up
        self._longest_wait = longest_wait
        self._views = views

    def routes(self) -> tuple[Route, ...]:
        """The lines for the route table."""
        one = "/api/v1/calls/{id}"
        listed = ("region", "partner", "status", "since", "limit", "cursor")
        paged = ("limit", "cursor")
        return (
            Route("GET", "/api/v1/calls", self.calls, "Calls, newest first", listed, response="Calls"),
            Route("POST", "/api/v1/calls/wait", self.wait, "Wait for a call", request="WaitRequest", response="Call", problems=(408, 503)),
            Route("GET", one, self.call, "One call", response="Call", problems=(503,)),
            Route("GET", f"{one}/messages", self.messages, "Its SIP messages", ("secrets", *paged), response="Messages", problems=(503,)),
            Route("GET", f"{one}/verdict", self.verdict, "What the rules say", response="Verdict", problems=(503,)),
            Route("GET", f"{one}/uui", self.uui, "Its User-to-User header", ("secrets",), response="CallUuiDecoded", problems=(503,)),
            Route("GET", f"{one}/media", self.media, "Its media: what was agreed and what was seen", response="Media", problems=(503,)),
            Route("GET", f"{one}/journey", self.journey, "Its flow beside the messages: region, scenario, agent, escalation, voice call",
                  response="Journey", problems=(503,)),
            Route("GET", f"{one}/ladder.txt", self.ladder, "The ladder as text", ("width", "redaction"), TEXT, problems=(503,)),
            Route("POST", f"{one}/hangup", self.hang_up, "End a live call with BYE", response="HangUp", status=HTTPStatus.ACCEPTED,
                  problems=(409, 503, 504)),
            Route("GET", "/api/v1/attempts", self.attempts, "Connections that never became SIP connections", paged, response="Attempts"),
            Route("GET", "/api/v1/messages", self.outside, "Messages and errors outside of calls", ("secrets", *paged),
                  response="OutsideMessages", problems=(503,)),
        )  # fmt: skip

    def calls(self, asked: Asked) -> Reply:
        """List calls."""
        query = asked.query
        status = query.get("status")
        if status is not None and status not in STATUSES:
            raise bad_request("bad-status", f"{status[:40]!r} is no state and no verdict.", f"Use one of {', '.join(STATUSES)}.")
        wanted = CallQuery(
            query.get("region"), query.get("partner"), status, _since(query), _number(query, "limit", PAGE), query.get("cursor")
        )
        page = _known_cursor(lambda: self._store.calls(wanted))
        return json_reply({"calls": [call_json(view) for view in page.calls], "next": page.next, "incomplete": self._incomplete()})

    def call(self, asked: Asked) -> Reply:
        """Tell of one call."""
        return json_reply(call_json(self._view(asked)))

    def messages(self, asked: Asked) -> Deferred[Reply]:
        """Show the messages of a call, oldest first."""
        trace, secrets = self._trace(asked), secrets_shown(asked.query)
        start, limit = _cursor_number(asked.query), _number(asked.query, "limit", MESSAGE_PAGE)

        def show() -> Reply:
            from sbc_sim.exports.marks import all_marks

            listed = [entry for entry in trace.entries if entry.kind in (Kind.MESSAGE, Kind.PARSE_ERROR)]
            marked = all_marks(trace, secrets, range(start, start + limit))
            page = enumerate(listed[start : start + limit], start)
            shown = [{"number": n, **message_json(entry, secrets), "marks": marked.get(n, [])} for n, entry in page]
            more = str(start + limit) if start + limit < len(listed) else None
            return json_reply({"messages": shown, "next": more, "dropped": trace.dropped, "secrets": "shown" if secrets else "masked"})

        return self._views.share(same(asked, trace), show)

    def verdict(self, asked: Asked) -> Reply:
        """Tell what the rules say: the verdict, or what was found so far."""
        view = self._view(asked)
        told = view.verdict or {
            "status": None,
            "counts": _counts(view.findings),
            "findings": view.findings,
            "profile": None,
            "ruleSet": None,
        }
        from sbc_sim.exports.report_text import rests_on_guess  # not needed at start

        guesses = [
            str(one.get("rule")) for one in told["findings"] if one.get("status") in ("fail", "warn", "unknown") and rests_on_guess(one)
        ]
        return json_reply({"call": view.id, "final": view.verdict is not None, **mask_values(told), "guesses": guesses})

    def uui(self, asked: Asked) -> Reply:
        """Show all that is known of the User-to-User header."""
        view, secrets = self._view(asked), secrets_shown(asked.query)
        told = {**NO_UUI, **(view.uui or {})}
        findings = (view.verdict or {}).get("findings", view.findings)
        explained = [f for f in findings if str(f.get("rule")).startswith("SBC-UUI-") and f.get("status") in ("fail", "warn")]
        shown = told if secrets else mask_uui(told)
        read = view.uui is not None
        told_how = "shown" if secrets else "masked"
        return json_reply({"call": view.id, "read": read, **shown, "explained": mask_values(explained), "secrets": told_how})

    def media(self, asked: Asked) -> Reply:
        """Tell what was agreed on and what the media plane saw."""
        view = self._view(asked)
        agreed = [_shown(agreement) for agreement in view.agreements]
        report = None if view.media is None else {**_shown(view.media), "firstPacketMs": view.first_packet_ms}
        keys = [_shown(key) for key in view.keys_pressed]
        now = agreed[-1] if agreed else None
        return json_reply({"call": view.id, "agreed": now, "earlier": agreed[:-1], "report": report, "dtmf": keys})

    def journey(self, asked: Asked) -> Deferred[Reply]:
        """Tell what goes with the call beside its messages."""
        trace = self._trace(asked)

        def tell() -> Reply:
            from sbc_sim.exports.journey import journey_of

            return json_reply({"call": trace.call.id, **mask_values(journey_of(trace))})

        return self._views.share(same(asked, trace), tell)

    def ladder(self, asked: Asked) -> Deferred[Reply]:
        """Draw the ladder."""
        trace, width, level = self._trace(asked), _number(asked.query, "width", 100), level_of(asked, "none")

        def draw() -> Reply:
            from sbc_sim.exports.redacted import redacted

            return text_reply(ladder_text(redacted(trace, level), width))

        return self._views.share(same(asked, trace), draw)

    def wait(self, asked: Asked) -> Deferred[Reply]:
        """Answer once there is a call as asked for."""
        wish, timeout = self._wish(read_json_object(asked.body))
        return self._waiting.wait(wish, timeout).addCallback(lambda view: json_reply(call_json(view)))

    def hang_up(self, asked: Asked) -> Reply:
        """End a live call."""
        view = self._view(asked)
        if view.over or not self._hang_up(view.id):
            raise Problem(
                409, "call-not-live", f"The call is {view.state}; only a live call can be ended.", "Its endReason tells how it ended."
            )
        return json_reply({"id": view.id, "state": view.state}, 202)

    def attempts(self, asked: Asked) -> Reply:
        """List what never became a SIP connection."""
        page = self._entry_page(self._store.attempts, asked.query)
        listed = [{"id": None, "at": rfc3339(entry.at), **mask_values(entry.data)} for entry in page.entries]
        return json_reply({"attempts": listed, "next": page.next, "incomplete": self._incomplete()})

    def outside(self, asked: Asked) -> Deferred[Reply]:
        """List messages, parse errors and refusals that belong to no call, newest first."""
        page, secrets = self._entry_page(self._store.outside, asked.query), secrets_shown(asked.query)

        def show() -> Reply:
            listed = [message_json(entry, secrets) for entry in page.entries]
            return json_reply({"messages": listed, "next": page.next, "secrets": "shown" if secrets else "masked"})

        return self._views.do(show)

    def _incomplete(self) -> str | None:
        """Say why what was just read is not all."""
        return self._store.health().unreadable or None

    def _entry_page(self, read: Callable[[int, str | None], EntryPage], query: Mapping[str, str]) -> EntryPage:
        return _known_cursor(lambda: read(_number(query, "limit", PAGE), query.get("cursor")))

    def _view(self, asked: Asked) -> CallView:
        view = self._store.call(asked.names["id"])
        if view is None:
            raise no_call(self._store, asked.names["id"])
        return view

    def _trace(self, asked: Asked) -> Trace:
        trace = self._store.trace(asked.names["id"])
        if trace is None:
            raise no_call(self._store, asked.names["id"])
        return still(trace)

    def _wish(self, body: Mapping[str, Any]) -> tuple[Wish, float]:
        for name in body:
            if name not in ("match", "state", "timeoutS", "after"):
                raise bad_request("unknown-member", f"{name[:40]!r} means nothing here.", "Known: match, state, timeoutS, after.")
        state, timeout, after = body.get("state", "ended"), body.get("timeoutS", 15), body.get("after")
        if state not in STATES:
            raise bad_request("bad-state", f"{str(state)[:40]!r} cannot be waited for.", f"Use one of {', '.join(STATES)}.")
        if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 <= timeout <= self._longest_wait:
            raise bad_request("bad-timeout", "timeoutS is not a number of seconds in range.", f"Use 0 to {self._longest_wait:g}.")
        if after is not None and not isinstance(after, str):
            raise bad_request("bad-after", "after is neither the id of a call nor an RFC 3339 time.", "Leave it out to wait for any call.")
        return self._placed(_match(body.get("match", {})), state, after), float(timeout)

    def _placed(self, match: Mapping[str, Any], state: str, after: str | None) -> Wish:
        if after is None:
            return Wish(match, state)
        try:
            return Wish(match, state, parse_time(after))
        except OverflowError:
            raise bad_request("bad-after", f"after={after[:40]!r} is a time before the calendar begins.", "Leave it out.") from None
        except ValueError:
            known = self._store.call(after)
            return Wish(match, state, after, known.ordinal if known else None)


def call_json(view: CallView) -> dict[str, Any]:
    """A call as interface.md lists it, secrets masked."""
    return mask_call(view.summary())


def message_json(entry: Entry, secrets: bool) -> dict[str, Any]:
    """A message, parse error or refusal with its octets as text."""
    raw = entry.raw[:LONGEST_MESSAGE]
    data = dict(entry.data) if secrets else mask_values(entry.data)
    shown = {"at": rfc3339(entry.at), "kind": entry.kind.value, **data}
    if entry.raw:
        shown |= {"text": message_text(raw, secrets), "octets": len(entry.raw), "truncated": len(raw) < len(entry.raw)}
    return shown | ({"raw": b64encode(raw).decode()} if secrets and entry.raw else {})


def _match(match: Any) -> Mapping[str, Any]:
    if not isinstance(match, dict):
        raise bad_request("bad-match", "match is no object.", f"Known members: {', '.join(MATCHABLE)}.")
    for name, wanted in match.items():
        if name not in MATCHABLE:
            raise bad_request("bad-match", f"A call cannot be matched by {name[:40]!r}.", f"Known members: {', '.join(MATCHABLE)}.")
        if not isinstance(wanted, str) and not (name == "uui" and isinstance(wanted, dict)):
            raise bad_request("bad-match", f"match.{name} is not of the right type.", "Use text; for uui an object of fields or the hex.")
    return match


def _known_cursor(read: Callable[[], Page]) -> Page:
    try:
        return read()
    except BadCursor as error:
        raise bad_request("bad-cursor", f"{error}.", "Use `next` of the page before, unchanged.") from None


def _cursor_number(query: Mapping[str, str]) -> int:
    text = query.get("cursor", "0")
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise bad_request("bad-cursor", f"{text[:40]!r} is no cursor.", "Use `next` of the page before, unchanged.")
    return int(text)


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= MOST_PER_PAGE):
        raise bad_request("bad-number", f"{name}={text[:40]!r} is out of range.", f"Use a whole number from 1 to {MOST_PER_PAGE}.")
    return int(text)


def _since(query: Mapping[str, str]) -> float | None:
    text = query.get("since")
    if text is None:
        return None
    try:
        return parse_time(text)
    except (ValueError, OverflowError):
        fix = "Use RFC 3339, for example 2026-01-31T12:00:00Z."
        raise bad_request("bad-time", f"since={text[:40]!r} is no time with an offset.", fix) from None


def _counts(findings: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    listed = [finding.get("status") for finding in findings]
    return {status.value: listed.count(status.value) for status in Status}


def _shown(data: Mapping[str, Any]) -> dict[str, Any]:
    """Members that are times (``at``, ``...At``) as RFC 3339, addresses as ``host:port``."""
    return {name: _member_shown(name, value) for name, value in data.items()}


def _member_shown(name: str, value: Any) -> Any:
    if name == "remote":
        return address_text(value)
    if (name == "at" or name.endswith("At")) and isinstance(value, int | float):
        return rfc3339(value)
    if isinstance(value, list | tuple):
        return [_shown(inner) if isinstance(inner, Mapping) else inner for inner in value]
    return value
