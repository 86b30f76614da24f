"""Header fields of the INVITE that say who calls and where answers go (requirement 69, RFC 3261 section 8.1.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sbc_sim.rules import x_headers
from sbc_sim.rules.evidence import Evidence
from sbc_sim.rules.finding import Finding, Quote, Refusal
from sbc_sim.rules.outcome import failed, passed, skipped, warned
from sbc_sim.rules.policy import Policy
from sbc_sim.rules.quoting import escaped, quote, quote_header, sentence
from sbc_sim.sip.errors import MalformedMessage
from sbc_sim.sip.headers import NameAddr, Via
from sbc_sim.sip.message import Request
from sbc_sim.sip.uri import Uri

_SEPARATORS = str.maketrans("", "", "-.() ")
"""Visual separators of phone numbers (RFC 3966 section 5.1.1)."""
_NUMBER = re.compile(r"\+?[0-9]{3,}")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_ASKED = ("P-Asserted-Identity", "From")
"""Where the caller's number is looked for, in this order."""
_READ = (*_ASKED, "Diversion", "Contact")
COOKIE = "z9hG4bK"


@dataclass(frozen=True, slots=True)
class PhoneNumber:
    """A phone number as it stands in a header."""

    text: str
    header: str

    @property
    def e164(self) -> bool:
        """True when it is + and 7 to 15 digits, without separators."""
        return _E164.fullmatch(self.text) is not None


@dataclass(frozen=True, slots=True)
class Addresses:
    """All values of one header that holds addresses, read once."""

    name: str
    values: list[str]
    read: list[NameAddr]
    """Those that can be read."""
    unread: str
    """Why a value cannot be read; empty when all can."""

    @property
    def numbers(self) -> list[PhoneNumber]:
        """The phone numbers among them."""
        return [number for number in (phone_number(address.uri, self.name) for address in self.read) if number is not None]


Parties = dict[str, Addresses]
"""The addresses of an INVITE by header name."""


def judge(evidence: Evidence, policy: Policy) -> list[Finding]:
    """Judge numbers, Contact, From tag and Via of the INVITE."""
    invite = evidence.invite
    if invite is None:
        return [skipped(f"SBC-HDR-{number:03d}", "No INVITE was read.") for number in range(1, 11)]
    parties = {name: addresses(invite, name) for name in _READ}
    return [
        *_contact(invite, parties["Contact"]),
        *_numbers(invite, parties, policy),
        _asserted(invite, parties["P-Asserted-Identity"]),
        _diversion(invite, parties["Diversion"]),
        _from_tag(invite, parties["From"]),
        *_via(invite),
        x_headers.judge(invite, policy),
    ]


def addresses(invite: Request, name: str) -> Addresses:
    """Read every address of a header."""
    values, read, unread = invite.headers.listed(name), [], ""
    for value in values:
        try:
            read.append(NameAddr.parse(value, name))
        except MalformedMessage as error:
            unread = unread or sentence(error.detail)
    return Addresses(name, values, read, unread)


# --- numbers -------------------------------------------------------------------------------------------------------------------


def phone_number(uri: Uri, header: str) -> PhoneNumber | None:
    """Take the phone number out of a sip, sips or tel URI; None when its user part is no number."""
    user = uri.user_text
    return PhoneNumber(user, header) if _NUMBER.fullmatch(user.translate(_SEPARATORS)) else None


def _numbers(invite: Request, parties: Parties, policy: Policy) -> list[Finding]:
    if policy.caller_number == "ignore":
        return [skipped(rule, "Numbers are not looked at (sip.caller_number).") for rule in ("SBC-HDR-001", "SBC-HDR-002")]
    caller = next((number for name in _ASKED for number in parties[name].numbers), None)
    if caller is None:
        detail = "Neither P-Asserted-Identity nor From has a phone number."
        return [warned("SBC-HDR-001", detail, quote_header(invite, "From")), _form_of_numbers(invite, parties)]
    detail = f"The caller is {escaped(caller.text)}, from {caller.header}.{_called(invite, parties)}"
    return [passed("SBC-HDR-001", detail), _form_of_numbers(invite, parties)]


def _called(invite: Request, parties: Parties) -> str:
    """Tell the called number and the number before forwarding."""
    try:
        dialled = Uri.parse(invite.uri, "Request-URI").user_text
    except MalformedMessage:
        dialled = ""
    diverted = parties["Diversion"].numbers
    forwarded = f" Forwarded from {escaped(diverted[0].text)} (Diversion)." if diverted else ""
    return (f" Dialled: {escaped(dialled)}, from the Request-URI." if dialled else "") + forwarded


def _form_of_numbers(invite: Request, parties: Parties) -> Finding:
    rule = "SBC-HDR-002"
    numbers = [number for name in (*_ASKED, "Diversion") for number in parties[name].numbers]
    if not numbers:
        return skipped(rule, "There is no phone number in P-Asserted-Identity, From or Diversion.")
    odd = [number for number in numbers if not number.e164]
    if not odd:
        return passed(rule, "; ".join(f"{n.header}: {n.text}" for n in numbers[:4]) + ".")
    detail = "Not in E.164: " + "; ".join(f"{escaped(n.text)} in {n.header}" for n in odd[:4]) + "."
    return warned(rule, detail, *(_quoted_number(invite, number) for number in odd[:2]))


def _quoted_number(invite: Request, number: PhoneNumber) -> Quote:
    value = invite.headers.first(number.header) or ""
    place = value.find(number.text)
    return quote(value, number.header, invite.method, place if place >= 0 else None)


# --- identity ------------------------------------------------------------------------------------------------------------------


def _asserted(invite: Request, asserted: Addresses) -> Finding:
    rule, name, values = "SBC-HDR-003", asserted.name, asserted.values
    if not values:
        return skipped(rule, "There is no P-Asserted-Identity.")
    if asserted.unread:
        return warned(rule, f"{asserted.unread} It was ignored.", quote_header(invite, name, 0))
    schemes = sorted(address.uri.scheme for address in asserted.read)
    if len(values) > 2 or schemes in (["sip", "sip"], ["sips", "sips"], ["sip", "sips"], ["tel", "tel"]):
        return warned(rule, f"{len(values)} values with the schemes {', '.join(schemes)}.", quote_header(invite, name, 0))
    return passed(rule, f"{escaped(values[0])}{' and one more' if len(values) > 1 else ''}.")


def _diversion(invite: Request, diversion: Addresses) -> Finding:
    rule = "SBC-HDR-004"
    if not diversion.values:
        return skipped(rule, "There is no Diversion.")
    if diversion.unread:
        return warned(rule, f"{diversion.unread} It was ignored.", quote_header(invite, "Diversion", 0))
    return passed(rule, f"{escaped(diversion.values[0])}.")


# --- addresses of the dialog -----------------------------------------------------------------------------------------------------


def _contact(invite: Request, contacts: Addresses) -> list[Finding]:
    wrong = _wrong_contact(contacts)
    if wrong:
        shown = quote_header(invite, "Contact", 0)
        return [failed("SBC-HDR-005", wrong, shown, refused=Refusal(400)), skipped("SBC-HDR-008", "There is no usable Contact.")]
    contact = contacts.read[0].uri
    if invite.uri.lower().startswith("sips:") and contact.scheme != "sips":
        detail = f"The Request-URI is sips, Contact is {escaped(str(contact))}."
        sips = warned("SBC-HDR-008", detail, quote_header(invite, "Contact"))
    else:
        sips = passed("SBC-HDR-008", f"The Request-URI is {invite.uri.partition(':')[0]}, Contact is {contact.scheme}.")
    return [passed("SBC-HDR-005", f"Contact is {escaped(str(contact))}."), sips]


def _wrong_contact(contacts: Addresses) -> str:
    """Say what is wrong with Contact; empty when nothing is."""
    count = len(contacts.values)
    if count != 1:
        return "The INVITE has no Contact." if not count else f"The INVITE has {count} Contact values; one is wanted."
    if contacts.unread:
        return contacts.unread
    scheme = contacts.read[0].uri.scheme
    return "" if scheme in ("sip", "sips") else f"Contact is a {scheme} URI; sip or sips is wanted."


def _from_tag(invite: Request, caller: Addresses) -> Finding:
    if any(address.tag for address in caller.read):
        return passed("SBC-HDR-006", "From has a tag.")
    return warned("SBC-HDR-006", "From has no tag.", quote_header(invite, "From"))


def _via(invite: Request) -> list[Finding]:
    values = invite.headers.listed("Via")
    try:
        via = Via.parse(values[0]) if values else None
    except MalformedMessage:
        via = None
    if via is None:
        return [skipped(rule, "There is no Via that can be read.") for rule in ("SBC-HDR-007", "SBC-HDR-009")]
    shown = quote(values[0], "Via", invite.method)
    if (via.branch or "").startswith(COOKIE):
        branch = passed("SBC-HDR-007", f"The branch is {escaped(via.branch or '')[:60]}.")
    else:
        branch = warned("SBC-HDR-007", f"The branch is {escaped(via.branch or 'missing')[:60]}.", shown)
    if via.transport.upper() in ("TLS", "WSS"):
        transport = passed("SBC-HDR-009", f"Via says {via.transport}.")
    else:
        transport = warned("SBC-HDR-009", f"The request came over TLS, but its topmost Via says {escaped(via.transport)}.", shown)
    return [branch, transport]
