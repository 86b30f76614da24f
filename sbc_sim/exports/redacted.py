"""How much of a call may be seen by whom: one place for all documents. A document is made from a trace that was redacted first.

`none`: everything as it was. `share`: for colleagues and tickets: keys and tokens masked, signatures of JWTs cut, phone numbers partly
masked; the default for whatever leaves by report or bundle. `strict`: for strangers: numbers, names, addresses, the content of
User-to-User and the audio too.

Where secrets stand is known to `exports/redaction`, how they are overwritten to `exports/filling`; `exports/numbers` knows phone numbers,
`exports/strangers` names and hosts. Octets are looked at in Latin-1, so that a character is an octet.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, replace
from enum import StrEnum
from functools import cache
from typing import Any

from sbc_sim.exports.filling import filled, filled_member, stars
from sbc_sim.exports.header_fields import DEFINED, HEADER, USER_TO_USER, divided
from sbc_sim.exports.journey_masked import (
    JOURNEY,
    hidden_from_strangers,
    host_of_target,
    names_in,
    records,
    starred,
    targets_in,
    without_pressed_keys,
)
from sbc_sim.exports.keys import body_without_keys, finding_without_keys, without_key, without_keys
from sbc_sim.exports.loose_numbers import LooseNumbers
from sbc_sim.exports.numbers import Numbers, number_text, numbers_in
from sbc_sim.exports.redaction import SECRET_NAME
from sbc_sim.exports.rtcp_masked import masked_text
from sbc_sim.exports.strangers import Strangers, uui_hidden
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.store import Trace
from sbc_sim.journal.view import CallView
from sbc_sim.rules.catalogue import RULES


class Redaction(StrEnum):
    """How much is hidden."""

    NONE = "none"
    SHARE = "share"
    STRICT = "strict"


HIDDEN: Mapping[Redaction, tuple[str, ...]] = {
    Redaction.NONE: (),
    Redaction.SHARE: (
        "SDES keys (a=crypto inline:), other keys in SDP, and credentials in Authorization headers and URIs",
        "signatures of JWTs, and other values that are called a token, secret or password",
        "the middle digits of phone numbers: in URIs from six digits on, in display names, User-to-User, REST requests and header fields "
        "that no RFC defines from seven on",
        "which keys were pressed (telephone-events, INFO): that they were, and how long, stays",
    ),
    Redaction.STRICT: (
        "SDES keys (a=crypto inline:), other keys in SDP, and credentials in Authorization headers and URIs",
        "tokens of every kind and the whole content of User-to-User",
        "phone numbers, user parts of URIs, display names",
        "hosts and IP addresses: the same stand-in stands for the same host everywhere",
        "User-Agent and Server of the partner, header fields that no RFC defines, free text in SDP",
        "what the agent said, what REST requests to the Telephony Integration API brought and what their answers held, the partner's name",
        "which keys were pressed (telephone-events, INFO): that they were, and how long, stays",
        "the audio",
    ),
}
"""What each level hides, in words for readers of a document."""


def redacted(trace: Trace, level: Redaction) -> Trace:
    """Copy a trace with what the level hides hidden in the octets and data of every entry and in the view of the call.

    Octets of messages keep their lengths, so that Content-Length and offsets still hold.
    """
    return trace if level is Redaction.NONE else _mask_of(trace, level).trace(trace)


def redacted_message(raw: bytes, level: Redaction) -> bytes:
    """Copy the octets of one SIP message with what the level hides overwritten; the length stays."""
    if level is Redaction.NONE:
        return raw
    text = raw.decode("latin-1")
    return _share([text], ()).octets(raw) if level is Redaction.SHARE else _strict([text], (), ()).octets(raw)


def text_mask(trace: Trace, level: Redaction) -> Callable[[str], str]:
    """Give what masks a text, a character an octet, that belongs to a call but stands in no entry of its trace."""
    return str if level is Redaction.NONE else _mask_of(trace, level).text


def _mask_of(trace: Trace, level: Redaction) -> _Share:
    call = trace.call
    cname = str((call.media or {}).get("peerCname") or "")
    texts = [call.caller, call.called, call.request_uri, *(entry.raw.decode("latin-1") for entry in trace.entries if entry.raw)]
    numbers = [number_text(value) for value in (*call.numbers.values(), cname.partition("@")[0]) if isinstance(value, str)]
    told = list(records(trace))
    if level is Redaction.SHARE:
        return _share(texts, numbers, told)
    peer = (trace.opened.data.get("peer") or {}) if trace.opened else {}
    tls = (trace.opened.data.get("tls") or {}) if trace.opened else {}
    hosts = [peer.get("host"), peer.get("localHost"), tls.get("serverName"), (call.peer or "").rpartition(":")[0].strip("[]")]
    names = [call.user_agent, cname, tls.get("clientCertificate"), *_scalars((call.uui or {}).get("fields"))]
    names += [*_scalars(((call.uui or {}).get("jwt") or {}).get("claims")), call.partner, *names_in(told)]
    hosts += targets_in(trace)
    return _strict([*texts, *(f"@{host}" for host in hosts if host)], numbers, [str(name) for name in names if name], told)


def _share(texts: list[str], numbers: Iterable[str], told: Iterable[Any] = ()) -> _Share:
    known, loose = [*numbers, *numbers_in(texts)], _learned(texts, told)
    return _Share(Numbers(known), loose, Numbers([*known, *loose.found]))


def _strict(texts: list[str], numbers: Iterable[str], names: Iterable[str], told: Iterable[Any] = ()) -> _Strict:
    agents = [match["value"] for text in texts for match in _AGENT.finditer(text)]
    known = [*names, *(name.encode("utf-8", "surrogateescape").decode("latin-1") for name in names), *agents]
    sure, loose = [*numbers, *numbers_in(texts)], _learned(texts, told)
    return _Strict(Numbers(sure, whole=True), loose, Numbers([*sure, *loose.found], whole=True), Strangers(texts, known))


def _learned(texts: Iterable[str], told: Iterable[Any]) -> LooseNumbers:
    loose = LooseNumbers()
    for text in texts:
        loose.message(text)
    for record in told:
        loose.value(record)
    return loose


@cache
def _words_of_rules() -> frozenset[str]:
    return frozenset(
        text
        for rule in RULES.values()
        for text in (rule.id, rule.title, rule.why, rule.fix, rule.source, rule.severity, *rule.platforms, *rule.platforms.values())
    )


def _scalars(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _scalars(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _scalars(inner)


class _Share:
    """The level `share`."""

    def __init__(self, numbers: Numbers, loose: LooseNumbers, quoted: Numbers) -> None:
        """`quoted` are all that are known, for texts about messages: findings, facts of the call, what was decoded.

        In messages themselves what stands loosely is masked in its places only, lest a CSeq that is the same be damaged.
        """
        self._numbers, self._loose, self._quoted = numbers, loose, quoted
        self._masked: dict[bytes, bytes] = {}
        self._texts: dict[str, str] = {}
        self._lists: dict[int, tuple[Any, Any]] = {}
        """Findings of a verdict, which stand in its entry and in the call: by identity, with what keeps the identity."""

    def trace(self, trace: Trace) -> Trace:
        """Mask everything in a trace."""
        opened = None if trace.opened is None else self.entry(trace.opened)
        return replace(trace, call=self.call(trace.call), entries=tuple(map(self.entry, trace.entries)), opened=opened)

    def entry(self, entry: Entry) -> Entry:
        """Mask octets and data of an entry."""
        raw = self.octets(entry.raw) if entry.raw else entry.raw
        if entry.kind in JOURNEY:
            return replace(entry, raw=raw, data=self.journey(entry.kind, entry.data))
        data = self.uui(entry.data) if entry.kind is Kind.UUI else self.value(entry.data)
        if entry.kind is Kind.DTMF:
            data = without_key(data)
        return replace(entry, raw=raw, data=data)

    def call(self, call: CallView) -> CallView:
        """Mask the members of a call that come from outside."""
        copied = {one.name: self.member(one.name, getattr(call, one.name)) for one in fields(call) if one.name not in _OURS}
        kept = {name: getattr(call, name) for name in _OURS}
        return CallView(**{**copied, **self._journey_of(call), **kept, "uui": None if call.uui is None else self.uui(call.uui)})

    def _journey_of(self, call: CallView) -> dict[str, Any]:
        scenario = self.journey(Kind.SCENARIO, {"why": call.scenario_why, "faults": call.faults})
        return {
            "scenario_why": scenario["why"],
            "faults": scenario["faults"],
            "agent": [self.journey(Kind.AGENT, event) for event in call.agent],
            "escalation": None if call.escalation is None else self.journey(Kind.ESCALATION, call.escalation),
            "voice_call": None if call.voice_call is None else self.journey(Kind.VOICE_CALL, call.voice_call),
        }

    def journey(self, kind: Kind, data: Mapping[str, Any]) -> dict[str, Any]:
        """Mask what an entry tells that is no message: any text in it may hold numbers, tokens and keys that were pressed."""
        shown: dict[str, Any] = self.value(self._loose.value(without_pressed_keys(kind, data)))
        return shown

    def octets(self, raw: bytes) -> bytes:
        """Mask the octets of a message; a repeated one is not read twice."""
        if raw not in self._masked:
            self._masked[raw] = self.message(raw.decode("latin-1")).encode("latin-1")
        return self._masked[raw]

    def message(self, text: str) -> str:
        """Mask a message, a character an octet."""
        head, end, body = divided(self._loose.message(text))
        return filled(head + end + body_without_keys(head, body), self._numbers.masked)

    def text(self, text: str) -> str:
        """Mask any text; one that was seen before is not looked at again, and neither are the words of the rules."""
        if text not in self._texts:
            self._texts[text] = text if text in _words_of_rules() else filled(text, self.further)
        return self._texts[text]

    def further(self, text: str) -> str:
        """Hide what is no secret by itself."""
        return self._quoted.masked(text)

    def value(self, value: Any) -> Any:
        """Mask a JSON value."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(name)): self.member(str(name), inner) for name, inner in finding_without_keys(value).items()}
        if isinstance(value, list | tuple):
            return [self.value(inner) for inner in value]
        if isinstance(value, int) and not isinstance(value, bool):
            return self._quoted.masked_int(value)
        return value

    def member(self, name: str, value: Any) -> Any:
        """Mask a member by its name."""
        if isinstance(value, str) and _SECRET.fullmatch(name):
            return filled_member(value, self.further)
        if isinstance(value, str) and name == _CNAME:
            return masked_text(value, self.text)
        if name in _KEYS_PRESSED and isinstance(value, list | tuple):
            return self.value(without_keys(value))
        if name == "findings" and isinstance(value, list | tuple):
            if id(value) not in self._lists:
                self._lists[id(value)] = value, self.findings(value)
            return self._lists[id(value)][1]
        return self.value(value)

    def findings(self, findings: Iterable[Any]) -> list[Any]:
        """Mask the findings of a verdict."""
        return [self.value(one) for one in findings]

    def uui(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Mask what a UUI entry tells; names and the masked token are fit to be seen."""
        kept = {name: data[name] for name in ("named", "lengths") if name in data}
        data = {name: inner if name in _NO_CONTENT else self._loose.value(inner) for name, inner in data.items()}
        jwt = data.get("jwt")
        shown = None if jwt is None else {**self.value(jwt), **({"masked": jwt["masked"]} if "masked" in jwt else {})}
        rest = self.value({name: value for name, value in data.items() if name not in ("named", "lengths", "jwt")})
        return {name: kept[name] if name in kept else shown if name == "jwt" else rest[name] for name in data}


_OURS = ("id", "ordinal", "direction", "state", "started_at", "answered_at", "ended_at", "ended_by", "end_status", "connection", "dropped")
_CNAME = "peerCname"
_NO_CONTENT = ("named", "lengths", "problems", "leadingOctet", "isEcho")
_KEYS_PRESSED = ("dtmf", "keys_pressed")
_SECRET = re.compile(SECRET_NAME, re.IGNORECASE)

# --- for strangers --------------------------------------------------------------------------------------------------------

_AGENT = re.compile(r"^(?:User-Agent|Server)[ \t]*:[ \t]*(?P<value>[^\r\n]{1,500})", re.IGNORECASE | re.MULTILINE)
_FREE_SDP = re.compile(r"^(?:o=(?P<user>[^ \r\n]+)|[siuep]=(?P<text>[^\r\n]+)|a=ssrc:[0-9]+ cname:(?P<cname>[^\r\n]+))", re.MULTILINE)
_QUOTED = re.compile(r'"([^"]*)"')
_SOFTWARE = ("userAgent", "user_agent", _CNAME, "clientCertificate")
_PLACES = ("host", "localHost", "serverName")
_ECHOED = ("sbc-sim",)


class _Strict(_Share):
    """The level `strict`."""

    def __init__(self, numbers: Numbers, loose: LooseNumbers, quoted: Numbers, strangers: Strangers) -> None:
        super().__init__(numbers, loose, quoted)
        self._strangers = strangers

    def call(self, call: CallView) -> CallView:
        """Mask the members of a call, and what names somebody whole."""
        shown = super().call(call)
        shown.user_agent = None if call.user_agent is None else stars(call.user_agent)
        shown.numbers = {name: stars(value) if isinstance(value, str) else value for name, value in call.numbers.items()}
        return shown

    def further(self, text: str) -> str:
        """Hide numbers, names and hosts."""
        return self._quoted.masked(self._strangers.hidden(text))

    def message(self, text: str) -> str:
        """Hide header fields and SDP lines that are free text, then names and hosts."""
        head, end, body = divided(text)
        body = _FREE_SDP.sub(_free_text, body_without_keys(head, body))
        text = HEADER.sub(self._field, head) + end + body
        return filled(text, lambda part: self._numbers.masked(self._strangers.hidden(part)))

    def _field(self, match: re.Match[str]) -> str:
        name, value = match["name"].lower(), match["value"]
        front = match[0][: len(match[0]) - len(value)]
        if name in USER_TO_USER:
            return front + uui_hidden(value)
        return match[0] if name in DEFINED or value in _ECHOED else front + stars(value)

    def member(self, name: str, value: Any) -> Any:
        """Mask a member by its name."""
        if isinstance(value, str) and name == "partner":
            return stars(value)
        if isinstance(value, str) and name in _SOFTWARE:
            return value if value in _ECHOED else stars(value)
        if isinstance(value, str) and name in _PLACES:
            return self._strangers.hosts.stand_in(value)
        if name in ("numbers", "x_headers", "xHeaders") and isinstance(value, Mapping):
            return {key: stars(inner) if isinstance(inner, str) else inner for key, inner in value.items()}
        return super().member(name, value)

    def findings(self, findings: Iterable[Any]) -> list[Any]:
        """Mask the findings of a verdict, and what they quote."""
        return [self.finding(one) if isinstance(one, Mapping) else one for one in findings]

    def entry(self, entry: Entry) -> Entry:
        """Mask octets and data of an entry."""
        shown = super().entry(entry)
        return replace(shown, data=self.finding(entry.data)) if entry.kind is Kind.FINDING else shown

    def finding(self, finding: Mapping[str, Any]) -> dict[str, Any]:
        """Mask a finding: what it quotes of a header that is hidden is hidden, too."""
        finding = finding_without_keys(finding)
        shown: dict[str, Any] = self.value(finding)
        if "-UUI-" in str(finding.get("rule")):
            for name in ("detail", "fix"):
                shown[name] = _QUOTED.sub(lambda match: f'"{stars(match[1])}"', str(shown.get(name) or ""))
        shown["evidence"] = [self._quote(quote) for quote in finding.get("evidence") or ()]
        return shown

    def _quote(self, quote: Mapping[str, Any]) -> dict[str, Any]:
        header, text = str(quote.get("header", "")).lower(), str(quote.get("text", ""))
        hidden = "user-to-user" in header or (header and not header.startswith(_NO_HEADERS) and header not in DEFINED)
        return {**self.value(quote), "text": _quote_hidden(text) if hidden else self.text(text)}

    def journey(self, kind: Kind, data: Mapping[str, Any]) -> dict[str, Any]:
        """Hide what only the parties of a call may know: what was said, what a REST request brought, where a call went."""
        shown = super().journey(kind, hidden_from_strangers(kind, data))
        if isinstance(data.get("target"), str):
            host = host_of_target(data["target"])
            shown["target"] = data["target"].replace(host, self._strangers.hosts.stand_in(host), 1)
        return shown

    def uui(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Hide the content of a User-to-User; names of members and lengths stay."""
        shown = super().uui(data)
        for name, value in data.items():
            if name == "raw" and isinstance(value, str):
                shown[name] = uui_hidden(value)
            elif name in ("decoded", "fields", "jwt"):
                shown[name] = starred(value)
        shown["problems"] = [
            {**problem, "detail": _QUOTED.sub(lambda match: f'"{stars(match[1])}"', problem.get("detail", ""))}
            for problem in shown.get("problems") or ()
        ]
        return shown


def _quote_hidden(text: str) -> str:
    return uui_hidden(text) if _HEX_VALUE.match(text) else stars(text)


_HEX_VALUE = re.compile(r"(?:\.\.\.)?[0-9A-Fa-f]{2,}(?:\.\.\.)?(?:;|\Z)")
_NO_HEADERS = ("start line", "header line", "sdp", "rtp", "rtcp", "tls", "body", "message", "srtp", "udp", "tcp", "media")


def _free_text(match: re.Match[str]) -> str:
    value = match["user"] or match["text"] or match["cname"]
    return match[0] if value in ("-", *_ECHOED) else match[0][: -len(value)] + stars(value)
