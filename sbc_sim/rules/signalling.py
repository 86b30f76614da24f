"""Requests: faults that a user agent server refuses, malformed messages, and the request line of an INVITE.

The order of checks is that of RFC 3261 section 8.2. What the user agent finds by itself comes here through `request_finding`,
so that one table says which rule and which status belong to a fault.
"""

from __future__ import annotations

from sbc_sim.rules.answers import ANSWERS, refusal
from sbc_sim.rules.evidence import Evidence
from sbc_sim.rules.finding import Finding, Quote, Refusal
from sbc_sim.rules.outcome import failed, found, passed, skipped, warned
from sbc_sim.rules.policy import Policy
from sbc_sim.rules.quoting import quote_header, quote_octets, quote_start_line, sentence, whole_sentence
from sbc_sim.sip.errors import Malformation, MalformedMessage
from sbc_sim.sip.headers import SessionExpires
from sbc_sim.sip.inspection import RequestFault
from sbc_sim.sip.message import Request
from sbc_sim.sip.text import parse_number
from sbc_sim.sip.uri import Uri

MALFORMED: dict[Malformation, str] = {
    Malformation.NO_START_LINE: "SBC-SIP-001",
    Malformation.BAD_START_LINE: "SBC-SIP-001",
    Malformation.BAD_VERSION: "SBC-SIP-002",
    Malformation.BAD_HEADER_LINE: "SBC-SIP-003",
    Malformation.MISSING_HEADER: "SBC-SIP-004",
    Malformation.DUPLICATE_HEADER: "SBC-SIP-005",
    Malformation.BAD_HEADER: "SBC-SIP-006",
    Malformation.CSEQ_MISMATCH: "SBC-SIP-007",
    Malformation.CSEQ_RANGE: "SBC-SIP-008",
    Malformation.CONTENT_LENGTH_MISSING: "SBC-SIP-009",
    Malformation.CONTENT_LENGTH_BAD: "SBC-SIP-010",
    Malformation.CONTENT_LENGTH_DUPLICATE: "SBC-SIP-011",
    Malformation.HEADERS_TOO_LARGE: "SBC-SIP-012",
    Malformation.BODY_TOO_LARGE: "SBC-SIP-013",
    Malformation.URI_TOO_LONG: "SBC-SIP-014",
    Malformation.BAD_REQUEST_URI: "SBC-SIP-015",
    Malformation.BAD_MULTIPART: "SBC-SIP-016",
}
"""Every malformation belongs to exactly one rule (a test walks the enum)."""

MOST_HOPS = 255
"""Largest Max-Forwards (RFC 3261 section 20.22)."""
FORM = tuple(f"SBC-SIP-{number:03d}" for number in range(1, 17))
_SEEN_WITH_THE_INVITE = {
    "SBC-SIP-022": "No other method was refused in this call.",
    "SBC-SIP-023": "No unknown method was sent in this call.",
    "SBC-SIP-025": "Require lists nothing that is not supported.",
    "SBC-SIP-026": "No body of another type was sent.",
    "SBC-SIP-027": "No body was encoded.",
    "SBC-SIP-028": "The INVITE came once.",
    "SBC-SIP-033": "Expires did not run out.",
}


def request_finding(
    fault: RequestFault,
    detail: str,
    policy: Policy,
    headers: tuple[tuple[str, str], ...] = (),
    quote: Quote | None = None,
) -> Finding:
    """Make the finding, with its refusal, of a fault that the user agent detected.

    `headers` are those that the status demands (Allow with 405, Unsupported with 420, Min-SE with 422 ...).
    """
    answer = ANSWERS[fault]
    return found(answer.rule, answer.verdict, whole_sentence(detail), quote, refused=refusal(fault, policy, headers))


def judge_malformed(error: MalformedMessage, raw: bytes = b"") -> Finding:
    """Make the finding, with its refusal, of a message that could not be read; `raw`, its octets, lets it quote the line."""
    return failed(MALFORMED[error.malformation], whole_sentence(error.detail), _line(error, raw), refused=Refusal(error.status))


def _line(error: MalformedMessage, raw: bytes) -> Quote:
    """Quote the line in which the offset lies; without octets or offset the sentence has to do."""
    if error.offset is None or not 0 <= error.offset < len(raw):
        return Quote(error.detail, error.where)
    start = raw.rfind(b"\n", 0, error.offset) + 1
    end = raw.find(b"\n", error.offset)
    line = raw[start : len(raw) if end < 0 else end].rstrip(b"\r")
    return quote_octets(line, error.where, "", min(error.offset - start, len(line)))


# --- the INVITE ----------------------------------------------------------------------------------------------------------------


def judge(evidence: Evidence, policy: Policy) -> list[Finding]:
    """Judge form and request line of the INVITE, and what the call showed of forbidden methods."""
    invite = evidence.invite
    if invite is None:
        return [skipped(rule, "No INVITE was read.") for rule in _all_rules()]
    size = f"The INVITE was read: {sum(1 for _ in invite.headers)} header fields, {len(invite.body)} octets of body."
    findings = {rule: passed(rule, size) for rule in FORM}
    findings |= {finding.rule: finding for finding in judge_request_line(invite, policy)}
    findings |= {rule: passed(rule, text) for rule, text in _SEEN_WITH_THE_INVITE.items()}
    findings["SBC-SIP-024"] = _refer(evidence)
    findings["SBC-SIP-030"] = _session_interval(invite, policy)
    findings["SBC-SIP-031"] = _if_used(evidence, "SBC-SIP-031", "INFO")
    findings["SBC-SIP-032"] = _prack(evidence)
    return list(findings.values())


def _all_rules() -> list[str]:
    return [*FORM, *(f"SBC-SIP-{number:03d}" for number in range(20, 34))]


def judge_request_line(request: Request, policy: Policy) -> list[Finding]:
    """Judge Request-URI and Max-Forwards (416, 404, 483): what INVITE and OPTIONS share."""
    try:
        uri = Uri.parse(request.uri, "Request-URI")
    except MalformedMessage as error:
        unread = failed("SBC-SIP-015", sentence(error.detail), quote_start_line(request), refused=Refusal(400))
        rest = [skipped(rule, "The Request-URI could not be read.") for rule in ("SBC-SIP-020", "SBC-SIP-021")]
        return [unread, *rest, _max_forwards(request, policy)]
    return [_scheme(request, uri, policy), _served(request, uri, policy), _max_forwards(request, policy)]


def _scheme(request: Request, uri: Uri, policy: Policy) -> Finding:
    if uri.scheme in ("sip", "sips") or (uri.scheme == "tel" and policy.accept_tel):
        return passed("SBC-SIP-020", f"The Request-URI is a {uri.scheme} URI.")
    wanted = "sip and sips" + (", tel" if policy.accept_tel else " (tel when sip.accept_tel is on)")
    detail = f"The Request-URI has the scheme {uri.scheme}; accepted are {wanted}."
    return failed("SBC-SIP-020", detail, quote_start_line(request), refused=refusal(RequestFault.URI_SCHEME, policy))


def _served(request: Request, uri: Uri, policy: Policy) -> Finding:
    user, host = uri.user_text, uri.host.lower()
    if policy.served_users and user not in policy.served_users:
        wrong = f"User {user or '(none)'} is not served; {policy.served_users_by} has {', '.join(policy.served_users[:5])}."
    elif policy.served_hosts and uri.scheme != "tel" and host not in {served.lower() for served in policy.served_hosts}:
        wrong = f"Host {uri.host} is not served; sip.hosts has {', '.join(policy.served_hosts[:5])}."
    else:
        # as a URI, in which strict redaction knows the user part
        at = "@" if user and uri.host else ""
        return passed("SBC-SIP-021", f"Dialled: {uri.scheme}:{user}{at}{uri.host}{'' if user else ' (no user)'}.")
    return failed("SBC-SIP-021", wrong, quote_start_line(request), refused=refusal(RequestFault.NOT_SERVED, policy))


def _max_forwards(request: Request, policy: Policy) -> Finding:
    value = request.headers.first("Max-Forwards")
    shown = quote_header(request, "Max-Forwards", 0)
    if value is None:
        return warned("SBC-SIP-029", "Max-Forwards is missing; the request was taken all the same.")
    try:
        hops = parse_number(value, "Max-Forwards", MOST_HOPS)
    except MalformedMessage as error:
        return warned("SBC-SIP-029", f"{sentence(error.detail)} The request was taken all the same.", shown)
    if hops > 0:
        return passed("SBC-SIP-029", f"Max-Forwards is {hops}.")
    if policy.max_forwards_zero == "refuse":
        return failed("SBC-SIP-029", "Max-Forwards is 0.", shown, refused=refusal(RequestFault.MAX_FORWARDS, policy))
    return warned("SBC-SIP-029", "Max-Forwards is 0; the request was taken, for it ends here.", shown)


def _refer(evidence: Evidence) -> Finding:
    if evidence.refer_seen:
        return failed("SBC-SIP-024", "A REFER was sent in this call; it was refused and the call went on.")
    return passed("SBC-SIP-024", "No REFER was sent in this call.")


def _session_interval(invite: Request, policy: Policy) -> Finding:
    rule, name, minimum = "SBC-SIP-030", "Session-Expires", policy.min_session_expires
    value = invite.headers.first(name)
    if value is None:
        return skipped(rule, "The INVITE asks for no session timer.")
    try:
        asked = SessionExpires.parse(value)
    except MalformedMessage as error:
        return warned(rule, f"{sentence(error.detail)} It was ignored.", quote_header(invite, name, 0))
    if asked.delta >= minimum:
        return passed(rule, f"Session-Expires is {asked} (at least {minimum} s).")
    detail = f"Session-Expires is {asked.delta} s, below our minimum of {minimum} s."
    refused = refusal(RequestFault.SESSION_INTERVAL, policy, (("Min-SE", str(minimum)),))
    return failed(rule, detail, quote_header(invite, name, 0), refused=refused)


def _prack(evidence: Evidence) -> Finding:
    if evidence.end_reason == "no-prack":
        return failed("SBC-SIP-032", "Our reliable 180 was not acknowledged by PRACK within 32 s, so the call was ended.")
    return _if_used(evidence, "SBC-SIP-032", "PRACK")


def _if_used(evidence: Evidence, rule: str, method: str) -> Finding:
    times = evidence.methods.get(method, 0)
    return passed(rule, f"{times} {method}, none refused.") if times else skipped(rule, f"No {method} was sent in this call.")
