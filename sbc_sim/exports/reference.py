"""A correct INVITE beside the one that came: what is missing, wrong or more than needed, header by header and SDP line by line.

The reference keeps what is fine in the caller's own INVITE, and has for the rest what this instance takes. Secrets are masked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sbc_sim.exports.ladder import findings_by_message
from sbc_sim.exports.ladder_rows import NUMBERED, Finding
from sbc_sim.exports.redaction import clean, message_text
from sbc_sim.journal.entries import Entry
from sbc_sim.journal.store import Trace
from sbc_sim.rules.catalogue import area
from sbc_sim.rules.policy import Policy
from sbc_sim.sip.fields import HeaderField, Headers, canonical
from sbc_sim.sip.message import Request, read_message
from sbc_sim.sip.uui import ECHO_FIELDS, encode

START_LINE = "start line"
REQUIRED = ("Via", "Max-Forwards", "From", "To", "Call-ID", "CSeq", "Contact", "User-to-User", "Content-Type", "Content-Length")
"""Header fields of the reference, in its order."""
LONGEST = 128 * 1024
"""Octets of an INVITE that are compared."""
MOST_ROWS = 400
_KEY = "A" * 40
"""Stands for 30 octets of key and salt; masked like a real one."""

_CONCERNS: Mapping[str, str] = {
    **{f"SBC-SIP-{number:03d}": START_LINE for number in (1, 2, 14, 15, 20, 21)},
    **dict.fromkeys(("SBC-SIP-007", "SBC-SIP-008"), "CSeq"),
    **dict.fromkeys(("SBC-SIP-009", "SBC-SIP-010", "SBC-SIP-011"), "Content-Length"),
    "SBC-SIP-025": "Require",
    "SBC-SIP-026": "Content-Type",
    "SBC-SIP-027": "Content-Encoding",
    "SBC-SIP-029": "Max-Forwards",
    "SBC-SIP-030": "Session-Expires",
    "SBC-SIP-033": "Expires",
    "SBC-HDR-001": "From",
    "SBC-HDR-003": "P-Asserted-Identity",
    "SBC-HDR-004": "Diversion",
    "SBC-HDR-005": "Contact",
    "SBC-HDR-006": "From",
    "SBC-HDR-007": "Via",
    "SBC-HDR-008": "Contact",
    "SBC-HDR-009": "Via",
    "SBC-HDR-010": "X-...",
    "SBC-SDP-002": "SDP v=",
    **{f"SBC-SDP-{number:03d}": "SDP m=audio" for number in (3, 4, 5, 6, 7, 15, 16)},
    **{f"SBC-SDP-{number:03d}": "SDP c=" for number in (8, 9, 10)},
    "SBC-SDP-011": "SDP a=ptime",
    "SBC-SDP-012": "SDP a=maxptime",
    "SBC-SDP-013": "SDP a=rtpmap telephone-event",
    **{f"SBC-SRTP-{number:03d}": "SDP m=audio" for number in (1, 2, 3)},
    **{f"SBC-SRTP-{number:03d}": "SDP a=crypto" for number in (4, 5, 6, 7)},
}
"""Which row a finding is about when it quotes no line of the INVITE."""
_SUITES = "|".join(map(re.escape, Policy().suites))
_FINE: Mapping[str, re.Pattern[str]] = {
    key: re.compile(pattern, re.IGNORECASE)
    for key, pattern in {
        START_LINE: r"INVITE sips?:\S+ SIP/2\.0",
        "via": r"SIP/2\.0/TLS \S.*;\s*branch=z9hG4bK.+",
        "max-forwards": r"[1-9][0-9]?|1[0-9]{2}",
        "from": r"[^<]*<sips?:[^>]+>.*;\s*tag=[^;\s]+.*|sips?:[^;]+;.*tag=[^;\s]+.*",
        "to": r".*(?:sips?|tel):.*",
        "call-id": r"\S+",
        "cseq": r"[0-9]{1,9} INVITE",
        "contact": r"[^<,]*<sips?:[^>]+>[^,]*|sips?:[^,\s]+",
        "user-to-user": r"(?:[0-9a-f]{2})+;.*encoding=\"?hex\"?.*",
        "content-type": r"application/sdp.*",
        "SDP v=": r"v=0",
        "SDP c=": r"c=IN IP[46] [0-9a-f.:]+",
        "SDP m=audio": r"m=audio [1-9][0-9]{0,4} RTP/SAVPF? (?:[0-9]+ )*0(?: [0-9]+)*",
        "SDP a=crypto": rf"a=crypto:[0-9]{{1,9}} (?:{_SUITES}) inline:[A-Za-z0-9+/=]+",
    }.items()
}
"""What the simulator takes for sure. A rule may not have been reached, so that no finding about a line does not mean that it is right."""
_REQUIRED_SDP = ("SDP v=", "SDP o=", "SDP s=", "SDP c=", "SDP t=", "SDP m=audio", "SDP a=crypto")


@dataclass(frozen=True, slots=True)
class _Line:
    """A header field or line of SDP: what it is compared by, how it is called, what it holds."""

    key: str
    name: str
    value: str


def reference_invite(trace: Trace) -> dict[str, Any]:
    """Give ``text``, a correct INVITE, and ``rows``: header, reference, found, state, rules.

    States: same; differs (but harmless); missing; extra (harmless, not needed); wrong (a finding says so: `rules`).
    """
    number, entry = _invite_of(trace)
    request = _request(entry)
    found = [*_header_lines(request), *_sdp_lines(request.body if request else b"")]
    rules = _rules_of(findings_by_message(trace).get(number, []), found) if entry is not None else {}
    wanted = _with_length(_reference(trace, request, found, rules))
    rows = list(_rows(wanted, found, rules))[:MOST_ROWS]
    return {"text": message_text(_octets(wanted)), "rows": rows}


def _invite_of(trace: Trace) -> tuple[int, Entry | None]:
    listed = (entry for entry in trace.entries if entry.kind in NUMBERED)
    for number, entry in enumerate(listed):
        if entry.data.get("summary") == "INVITE" and entry.data.get("direction") == "in":
            return number, entry
    return -1, None


def _request(entry: Entry | None) -> Request | None:
    message = read_message(entry.raw[:LONGEST]).message if entry is not None else None
    return message if isinstance(message, Request) else None


# --- lines ----------------------------------------------------------------------------------------------------------------


def _header_lines(request: Request | None) -> list[_Line]:
    if request is None:
        return []
    start = _Line(START_LINE, START_LINE, f"{request.method} {request.uri} {request.version}")
    return [start, *(_Line(canonical(item.name), item.name, item.value) for item in request.headers)]


def _sdp_lines(body: bytes) -> list[_Line]:
    if not body.lstrip().startswith(b"v="):
        return []
    lines = body.decode("utf-8", "surrogateescape").replace("\r\n", "\n").rstrip("\n").split("\n")
    return [_Line(_sdp_name(line), _sdp_name(line), line) for line in lines]


def _sdp_name(line: str) -> str:
    """``SDP a=crypto``, ``SDP m=audio``, ``SDP a=rtpmap 101``: lines that stand for each other have one name."""
    if line.startswith("a="):
        name, _, value = line[2:].partition(":")
        words = value.split()
        if name.lower() == "rtpmap" and len(words) > 1 and words[1].lower().startswith("telephone-event"):
            return "SDP a=rtpmap telephone-event"
        return f"SDP a={name}" + (f" {words[0]}" if name.lower() in ("rtpmap", "fmtp") and words else "")
    return f"SDP m={line[2:].partition(' ')[0]}" if line.startswith("m=") else f"SDP {line[:2]}"


def _rules_of(findings: Iterable[Finding], found: list[_Line]) -> dict[str, list[str]]:
    """Rules by the key of the line that they concern."""
    sdp = [line for line in found if line.key.startswith("SDP ")]
    told: dict[str, list[str]] = {}
    for finding in findings:
        rule = str(finding.get("rule", ""))
        keys = {key for quote in finding.get("evidence") or () if (key := _key_of(str(quote.get("header") or ""), found, sdp))}
        for key in keys or _about(rule, str(finding.get("detail") or ""), found):
            told.setdefault(key, []).append(rule)
    return told


def _key_of(header: str, found: list[_Line], sdp: list[_Line]) -> str:
    if header.startswith("SDP line "):
        number = header.removeprefix("SDP line ")
        return sdp[int(number) - 1].key if number.isdigit() and 0 < int(number) <= len(sdp) else ""
    name = header.partition(",")[0].strip()
    key = START_LINE if name == START_LINE else canonical(name)
    return key if any(line.key == key for line in found) else ""


def _about(rule: str, detail: str, found: list[_Line]) -> set[str]:
    """What a finding is about that quotes no line; a missing header is named in its detail."""
    if rule == "SBC-SDP-002" and any(line.key.startswith("SDP ") for line in found):
        return set()  # there is an offer; the call ended before it was looked at
    if rule in ("SBC-SIP-004", "SBC-SIP-005", "SBC-SIP-006"):
        return {canonical(name) for name in REQUIRED if re.search(rf"(?<![\w-]){name}(?![\w-])", detail)}
    named = _CONCERNS.get(rule) or {"UUI": "User-to-User", "SDP": "SDP m=audio", "SRTP": "SDP a=crypto"}.get(area(rule))
    return set() if named is None else {named if named.startswith("SDP ") or named == START_LINE else canonical(named)}


# --- the reference --------------------------------------------------------------------------------------------------------


def _reference(trace: Trace, request: Request | None, found: list[_Line], rules: Mapping[str, list[str]]) -> list[_Line]:
    """The caller's own lines where they are fine, ours elsewhere."""
    ours = _defaults(trace, request)
    own = {line.key: line for line in reversed(found)}
    lines = []
    for name in (START_LINE, *REQUIRED):
        key = canonical(name)
        line = own.get(key)
        kept = line is not None and key not in rules and _fine(line)
        lines.append(line if line is not None and kept else _Line(key, name, _mended(key, line, ours[key], rules.get(key, []))))
    lines += [line for line in found if line.key == "p-asserted-identity" and line.key not in rules]
    return [*lines, *_reference_sdp(own, ours, rules)]


def _defaults(trace: Trace, request: Request | None) -> dict[str, str]:
    peer: Mapping[str, Any] = (trace.opened.data.get("peer") or {}) if trace.opened is not None else {}
    host, own_host = str(peer.get("host") or "192.0.2.10"), str(peer.get("localHost") or "sbc.example")
    place, own_place = (f"[{text}]" if ":" in text else text for text in (host, own_host))
    uri = f"sip:echo@{own_place}:{peer.get('localPort') or 5061};transport=tls"
    to = request.uri if request is not None and request.uri.lower().startswith("sip") else uri
    fields = (trace.call.uui or {}).get("fields")
    content = fields if isinstance(fields, dict) and set(ECHO_FIELDS) <= set(fields) else ECHO_FIELDS
    family = "IP6" if ":" in host else "IP4"
    return {
        START_LINE: f"INVITE {uri} SIP/2.0",
        "via": f"SIP/2.0/TLS {place}:5061;branch=z9hG4bKreference1;rport",
        "max-forwards": "70",
        "from": f"<sip:+14155550100@{place}>;tag=reference1",
        "to": f"<{to}>",
        "call-id": trace.call.sip_call_id or f"reference-1@{place}",
        "cseq": "1 INVITE",
        "contact": f"<sip:+14155550100@{place}:5061;transport=tls>",
        "user-to-user": encode(content),
        "content-type": "application/sdp",
        "content-length": "0",
        "SDP v=": "v=0",
        "SDP o=": f"o=- 1 1 IN {family} {host}",
        "SDP s=": "s=-",
        "SDP c=": f"c=IN {family} {host}",
        "SDP t=": "t=0 0",
        "SDP m=audio": "m=audio 24000 RTP/SAVP 0 101",
        "SDP a=crypto": f"a=crypto:1 {Policy().suites[0]} inline:{_KEY}",
        "SDP a=rtpmap telephone-event": "a=rtpmap:101 telephone-event/8000",
        "SDP a=ptime": "a=ptime:20",
    }


def _fine(line: _Line) -> bool:
    pattern = _FINE.get(line.key)
    return bool(line.value) and (pattern is None or pattern.fullmatch(line.value) is not None)


_URI_NUMBER = re.compile(r"(sips?:|tel:)([+0-9][0-9\-.()]{5,24})(?=[@;>])", re.IGNORECASE)


def _mended(key: str, line: _Line | None, ours: str, rules: list[str]) -> str:
    """The caller's own value with the number in E.164, when that is all that is wrong with it; else ours."""
    if line is not None and key == "from" and rules == ["SBC-HDR-002"]:
        return _URI_NUMBER.sub(lambda match: f"{match[1]}+{re.sub('[^0-9]', '', match[2])}", line.value)
    if line is not None and key == "from" and rules == ["SBC-HDR-006"] and "tag" not in line.value:
        return f"{line.value};tag=reference1"
    return ours


def _reference_sdp(own: Mapping[str, _Line], ours: Mapping[str, str], rules: Mapping[str, list[str]]) -> Iterator[_Line]:
    """Session lines, the audio stream, and of the attributes those that are needed or the caller has right."""
    wanted = [*_REQUIRED_SDP]
    known = ("SDP a=rtpmap telephone-event", "SDP a=ptime")
    wanted += [key for key in known if key in own or key in rules]
    media = own.get("SDP m=audio")
    if media is not None and ("SDP m=audio" in rules or not _fine(media)):
        media = None
    for key in wanted:
        line = own.get(key)
        if line is not None and key not in rules and _fine(line) and not (key == "SDP a=rtpmap telephone-event" and media is None):
            yield line
        else:
            yield _Line(key, key, _with_port(own.get("SDP m=audio"), ours[key]) if key == "SDP m=audio" else ours[key])
    for key, line in own.items():
        if media is not None and key.startswith(("SDP a=rtpmap ", "SDP a=fmtp ")) and key not in rules and key not in known:
            yield line


def _with_port(own: _Line | None, ours: str) -> str:
    """Our m= line with the caller's port, when that is one."""
    port = re.match(r"m=audio ([0-9]{1,5})\b", own.value) if own is not None else None
    return ours.replace("24000", port[1]) if port and 0 < int(port[1]) < 65536 else ours


def _with_length(lines: list[_Line]) -> list[_Line]:
    length = len(_body(lines))
    return [_Line(line.key, line.name, str(length)) if line.key == "content-length" else line for line in lines]


def _body(lines: Iterable[_Line]) -> bytes:
    return "".join(f"{line.value}\r\n" for line in lines if line.key.startswith("SDP ")).encode("utf-8", "surrogateescape")


def _octets(lines: list[_Line]) -> bytes:
    fields = [HeaderField(line.name, line.value) for line in lines if not line.key.startswith("SDP ") and line.key != START_LINE]
    start = next(line.value for line in lines if line.key == START_LINE)
    _, _, rest = start.partition(" ")
    uri = rest.rpartition(" ")[0] or rest
    return Request("INVITE", uri, Headers(fields), _body(lines)).to_bytes()


# --- rows -----------------------------------------------------------------------------------------------------------------


def _rows(wanted: list[_Line], found: list[_Line], rules: Mapping[str, list[str]]) -> Iterator[dict[str, Any]]:
    """A row for each line of the reference, then one for each line that is more than that; header fields before SDP."""
    for sdp in (False, True):
        theirs = [line for line in found if line.key.startswith("SDP ") is sdp]
        for line in wanted:
            if line.key.startswith("SDP ") is sdp:
                place = next((index for index, other in enumerate(theirs) if other.key == line.key), None)
                yield _row(line, theirs.pop(place) if place is not None else None, rules)
        for line in theirs:
            yield _row(None, line, rules)


def _row(wanted: _Line | None, found: _Line | None, rules: Mapping[str, list[str]]) -> dict[str, Any]:
    line = found or wanted
    assert line is not None
    broken = sorted(set(rules.get(line.key, ())))
    if found is None:
        state = "missing"
    elif broken:
        state = "wrong"
    else:
        state = "extra" if wanted is None else "same" if wanted.value == found.value else "differs"
    name = wanted.name if wanted is not None and not wanted.key.startswith("SDP ") else line.name
    return {
        "header": clean(name),
        "reference": None if wanted is None else _shown(wanted),
        "found": None if found is None else _shown(found),
        "state": state,
        "rules": broken,
    }


def _shown(line: _Line) -> str:
    """The value masked as the whole line is: whether it is secret can depend on the name before it."""
    if line.key.startswith("SDP ") or line.key == START_LINE:
        return clean(line.value)
    whole = clean(f"{line.name}: {line.value}")
    return whole.removeprefix(f"{clean(line.name)}: ")
