"""How a call is given back: modes, what a BYE carries for it, where a return goes (requirements 106-110).

Templates hold plain placeholders, ``{orgId} {voiceCallId} {vendorCallKey} {why}``, and nothing else is done in them: braces of JSON stay.
What can be wrong with one is found when the settings are read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from sbc_sim.calls.escalation_settings import EscalationPlan
from sbc_sim.sip.errors import MalformedMessage
from sbc_sim.sip.headers import Reason
from sbc_sim.sip.server_side import Extra
from sbc_sim.sip.text import TOKEN, printable, split_list
from sbc_sim.sip.uri import Uri
from sbc_sim.sip.uui import encode

MODES = ("bye", "bye+data", "invite-back", "refer")
PLACEHOLDERS = ("orgId", "voiceCallId", "vendorCallKey", "why")
LONGEST = 1024
"""Characters of a template, and of what becomes of it: the header limit of the help page."""
MOST_HEADERS = 16
_KNOWN = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
_PLACEHOLDER = re.compile(r"\{([A-Za-z]\w*)\}")
_X_NAME = re.compile(rf"[Xx]-{TOKEN}")


class TemplateError(ValueError):
    """What is wrong with a setting of the escalation: one sentence."""


class CannotEscalate(Exception):
    """Why a call cannot be given back, or its partner not be told of, now."""

    def __init__(self, code: str, detail: str, fix: str, by_request: bool = False) -> None:
        """`code`: a stable word. `by_request`: the request itself is wrong, not the moment."""
        super().__init__(detail)
        self.code = code
        self.fix = fix
        self.by_request = by_request


@dataclass(frozen=True, slots=True)
class Target:
    """Where a call is given back to."""

    uri: str
    """Request-URI, verbatim."""
    host: str
    port: int
    chosen_by: str
    """``the API``, ``return_uri of the partner``, the same ``in`` a region, ``escalation.return_uri`` or ``the Contact of the call``."""


# --- checked when the settings are read --------------------------------------------------------------------------------


def check_template(name: str, template: str) -> str:
    """Return a template that can be used. Raises TemplateError, naming the setting `name`."""
    if len(template) > LONGEST:
        raise TemplateError(f"{name} has {len(template)} characters; at most {LONGEST} are allowed")
    bad = next((c for c in template if ord(c) < 32 or ord(c) == 127), None)
    if bad is not None:
        raise TemplateError(f"{name} holds the control character {printable(bad)}: header values are one line without CR, LF and tabs")
    unknown = next((m[1] for m in _PLACEHOLDER.finditer(template) if m[1] not in PLACEHOLDERS), None)
    if unknown is not None:
        raise TemplateError(f"{name} has the placeholder {{{unknown}}}; known are {_KNOWN}")
    return template


def check_data(template: str) -> str:
    """Return a User-to-User template that fits into the header. Raises TemplateError."""
    check_template("escalation.data", template)
    if 2 * len(template.encode()) > LONGEST:
        raise TemplateError(f"escalation.data makes {2 * len(template.encode())} hex digits; the limit of the header is {LONGEST}")
    return template


def check_reason(template: str) -> str:
    """Return a Reason template that makes values of RFC 3326 section 2. Raises TemplateError."""
    check_template("escalation.reason", template)
    try:
        protocols = [Reason.parse(value).protocol.lower() for value in split_list(fill(template, dict.fromkeys(PLACEHOLDERS, "x")))]
    except MalformedMessage as error:
        raise TemplateError(f'escalation.reason: {error.detail}; write protocol;cause=n;text="..." (RFC 3326)') from None
    twice = next((p for p in protocols if protocols.count(p) > 1), None)
    if twice is not None:
        raise TemplateError(f"escalation.reason names the protocol {twice} twice; each may stand there once (RFC 3326 section 2)")
    return template


def check_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return X-headers that can be sent. Raises TemplateError."""
    if len(headers) > MOST_HEADERS:
        raise TemplateError(f"escalation.headers has {len(headers)} headers; at most {MOST_HEADERS} are sent")
    for name, template in headers.items():
        if _X_NAME.fullmatch(name) is None:
            raise TemplateError(f"escalation.headers: {printable(name, 40)!r} is no name of an X-header, for example X-Agent-Intent")
        check_template(f"escalation.headers.{name}", template)
    return dict(headers)


def check_return_uri(text: str) -> str:
    """Return a URI that a call can be given back to over TLS; empty stays empty. Raises TemplateError."""
    if text:
        target_of(text, "escalation.return_uri")
    return text


def check_mode(mode: str, profile: str) -> str:
    """Return a mode that the profile allows. Raises TemplateError."""
    if mode not in MODES:
        raise TemplateError(f"{printable(mode, 40)!r} is no way to give a call back; known are {', '.join(MODES)}")
    if mode == "refer" and profile != "extended":
        raise TemplateError("REFER on escalation belongs to the profile extended (rules.profile): the published guide ends calls with BYE")
    return mode


# --- filled for one call ---------------------------------------------------------------------------------------------


def target_of(text: str, chosen_by: str) -> Target:
    """Read a URI to call over TLS. Raises TemplateError."""
    try:
        uri = Uri.parse(text, chosen_by)
    except MalformedMessage as error:
        raise TemplateError(error.detail) from None  # begins with chosen_by already
    transport = (uri.parameters.get("transport") or "tls").lower()
    if uri.scheme not in ("sip", "sips") or not uri.host:
        raise TemplateError(f"{chosen_by}: {printable(text, 80)!r} is no sip or sips URI with a host")
    if uri.scheme == "sip" and transport not in ("tls", "tcp"):
        raise TemplateError(f"{chosen_by}: {printable(text, 80)!r} asks for {transport}; a call is given back over TLS only")
    if uri.headers:
        told = f"{printable(text, 80)!r} carries headers after ?, which a Request-URI must not (RFC 3261 section 19.1.5)"
        raise TemplateError(f"{chosen_by}: {told}; leave them out, data goes into escalation.data and escalation.headers")
    if uri.port == 0:
        raise TemplateError(f"{chosen_by}: {printable(text, 80)!r} names port 0, where nobody can be called; leave it out for 5061")
    return Target(text.strip(), uri.host, uri.port or 5061, chosen_by)


def fill(template: str, values: Mapping[str, str]) -> str:
    """Put values in place of the placeholders."""
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), template)


def _one_line(value: str) -> str:
    return "".join(c for c in value if 32 <= ord(c) < 127)


def _as_json(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)[1:-1]


def data_header(plan: EscalationPlan, values: Mapping[str, str], more: Mapping[str, str]) -> tuple[Extra, str]:
    """Make the User-to-User header, and a note when it had to be left out. `more` is added when the text is a JSON object."""
    if not plan.data:
        return (), ""
    text = fill(plan.data, {name: _as_json(value) for name, value in values.items()})
    value = encode(_joined(text, more) if more else text)
    digits = len(value.partition(";")[0])
    if digits > LONGEST:
        return (), f"User-to-User was left out: its {digits} hex digits are over the limit of {LONGEST}"
    return (("User-to-User", value),), ""


def _joined(text: str, more: Mapping[str, str]) -> str:
    try:
        members = json.loads(text)
    except ValueError:
        return text
    if not isinstance(members, dict):
        return text
    return json.dumps({**members, **more}, ensure_ascii=False, separators=(",", ":"))


def bye_headers(plan: EscalationPlan, values: Mapping[str, str], more: Mapping[str, str]) -> tuple[Extra, list[str]]:
    """Make what a BYE carries in mode bye+data, Reason aside, and notes about what had to be left out."""
    found, note = data_header(plan, values, more)
    notes = [note] if note else []
    for name, template in plan.headers:
        text = fill(template, {placeholder: _one_line(value) for placeholder, value in values.items()})
        if len(text) > LONGEST:
            notes.append(f"{name} was left out: {len(text)} characters are over the limit of {LONGEST}")
        else:
            found = (*found, (name, text))
    return found, notes


def reason_header(plan: EscalationPlan, values: Mapping[str, str]) -> str:
    """Make the Reason value of a BYE that escalates (RFC 3326)."""
    if plan.reason:
        plain = {name: _one_line(value).replace("\\", "").replace('"', "'")[:200] for name, value in values.items()}
        return fill(plan.reason, plain)
    why = _one_line(values.get("why", ""))[:200]
    return f"{Reason('SIP', 200, f'escalation: {why}' if why else 'escalation')}, {Reason('Q.850', 16, 'Normal call clearing')}"
