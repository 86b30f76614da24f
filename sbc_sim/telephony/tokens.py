"""The bearer token: a JWT signed with RS256, iss the org, sub the call centre, at most 24 hours from iat to exp (facts 2.1).

PyJWT knows the algorithm; claims are checked here, by the time that is told, so that each refusal names the claim, what it says, what was
expected, and how to mend it.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from binascii import Error as NotBase64
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from typing import Any

from sbc_sim.sip.text import printable
from sbc_sim.sip.uui_content import decode_jwt
from sbc_sim.telephony.ids import same_org
from sbc_sim.telephony.keys import KeyEntry, KeyRing, PublicKey
from sbc_sim.telephony.options import TelephonyOptions

LONGEST_LIFE = 24 * 3600
"""Seconds from iat to exp."""
MOST_JTI = 20_000
"""Token ids that are remembered; of more, the oldest are forgotten first."""
LONGEST_TOKEN = 8192
MOST_NAMED = 4
"""Keys that a refusal names."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks."""

    org: str = ""
    call_center: str = ""
    partner: str = ""
    key: str = ""
    """Name of the key entry."""
    verified: bool = False


@dataclass(frozen=True, slots=True)
class TokenTrouble:
    """Why a token is not good."""

    code: str
    detail: str
    fix: str
    missing: bool = False
    """There is none, or none that can be read: 401 whatever is set."""


@dataclass(slots=True)
class TokenDesk:
    """Checks tokens against the keys, and remembers which were used."""

    ring: KeyRing
    options: TelephonyOptions
    _used: OrderedDict[bytes, float] = field(default_factory=OrderedDict)

    def from_header(self, value: str, now: float) -> tuple[Identity, TokenTrouble | None]:
        """Check the Authorization header of a request, whose jti counts as used from now on."""
        scheme, _, token = value.strip().partition(" ")
        if not value.strip():
            return Identity(), TokenTrouble("TOKEN_MISSING", "There is no Authorization header.", HOW_TO_SEND, True)
        if scheme.lower() != "bearer" or not token.strip():
            detail = f"Authorization begins with {printable(scheme, 20)!r} and should be Bearer and a JWT."
            return Identity(), TokenTrouble("TOKEN_MALFORMED", detail, HOW_TO_SEND, True)
        identity, trouble = self.check(token.strip(), now)
        return identity, trouble or self._use(token.strip(), identity, now)

    def check(self, token: str, now: float) -> tuple[Identity, TokenTrouble | None]:
        """Check a token without counting it as used: who it claims to be, and what is wrong with it."""
        read = _read(token)
        if isinstance(read, TokenTrouble):
            return Identity(), read
        header, claims = read
        org, sub = claims.get("iss"), claims.get("sub")
        claimed = Identity(org if isinstance(org, str) else "", sub if isinstance(sub, str) else "")
        trouble = _check_algorithm(header)
        if trouble is not None:
            return self._guessed(claimed), trouble
        entry, trouble = self._signed_by(token, claimed)
        if entry is None:
            return self._guessed(claimed), trouble
        identity = Identity(claimed.org, claimed.call_center, entry.partner or entry.name, entry.name)
        trouble = trouble or _check_names(claims, entry) or _check_times(claims, now, self.options.clock_skew_seconds) or _check_jti(claims)
        return Identity(identity.org, identity.call_center, identity.partner, identity.key, trouble is None), trouble

    def partner_of(self, org: str) -> str:
        """Whose org this is, by the keys; empty when nobody's."""
        entry = next((entry for entry in self.ring.entries if same_org(entry.org, org)), None)
        return "" if entry is None else entry.partner or entry.name

    def owner_of(self, token: str, org: str) -> str:
        """Whose key signed a token that can be read, else whose org it names; empty when nobody's. Nothing else of it is checked."""
        entry, _ = self._signed_by(token, Identity(org))
        return self.partner_of(org) if entry is None else entry.partner or entry.name

    def _guessed(self, claimed: Identity) -> Identity:
        return Identity(claimed.org, claimed.call_center, self.partner_of(claimed.org))

    def _signed_by(self, token: str, claimed: Identity) -> tuple[KeyEntry | None, TokenTrouble | None]:
        """Find the entry whose key fits the signature; one for another org is named in the trouble."""
        entries = self.ring.entries
        if not entries:
            return None, TokenTrouble("NO_KEY", "No public key is known, so that no token can be checked.", HOW_TO_GIVE_A_KEY)
        own = [entry for entry in entries if entry.org and same_org(entry.org, claimed.org)]
        own += [entry for entry in entries if not entry.org]  # keys for any org come last: an org's own tell whose the token is
        for entry in own:
            if any(_fits(token, key) for key in entry.keys):
                return entry, None
        for entry in entries:
            if entry not in own and any(_fits(token, key) for key in entry.keys):
                return entry, _wrong_org(claimed.org, entry)
        return None, _unsigned(claimed.org, own, entries)

    def _use(self, token: str, identity: Identity, now: float) -> TokenTrouble | None:
        claims = claims_of(token)
        jti, exp = claims.get("jti"), claims.get("exp")
        if not isinstance(jti, str) or not jti:
            return None
        known = sha256(f"{identity.org[:15]} {jti}".encode("utf-8", "surrogatepass")).digest()
        before = self._used.get(known)
        self._used[known] = float(exp) if isinstance(exp, int | float) else now
        while len(self._used) > MOST_JTI:
            self._used.popitem(last=False)
        if before is None:
            return None
        detail = f"jti {printable(jti, 60)!r} was used before: a token with a jti is good for one request."
        return TokenTrouble("TOKEN_REUSED", detail, "Make a new token with a new jti for each request, or leave jti out.")


HOW_TO_SEND = (
    "Send the header Authorization: Bearer JWT, signed with RS256 by the private key whose public half the simulator knows; "
    "claims iss (org id), sub (API name of the call centre), iat, exp."
)
HOW_TO_GIVE_A_KEY = (
    "Give the public key: PUT /api/v1/telephony/keys/NAME with the PEM as body (Content-Type: application/x-pem-file), or "
    "partners.NAME.public_keys in the settings; a restart forgets those given by PUT. telephony.verify: report takes any token and only "
    "reports."
)


def claims_of(token: str) -> Mapping[str, Any]:
    """The claims of a token, unverified; empty when it cannot be read."""
    read = _read(token)
    return {} if isinstance(read, TokenTrouble) else read[1]


def _read(token: str) -> tuple[Mapping[str, Any], Mapping[str, Any]] | TokenTrouble:
    parts = token.split(".")
    if len(token) <= LONGEST_TOKEN and len(parts) == 3:
        try:
            header, claims = (json.loads(_octets(part)) for part in parts[:2])
            _octets(parts[2])
        except (ValueError, NotBase64, RecursionError):
            pass
        else:
            if isinstance(header, dict) and isinstance(claims, dict):
                return header, claims
    reason = f"it has {len(token)} characters" if len(token) > LONGEST_TOKEN else decode_jwt(token)
    said = reason if isinstance(reason, str) else "it cannot be read"
    return TokenTrouble("TOKEN_MALFORMED", f"The bearer token is no JWT: {said}.", HOW_TO_SEND, True)


def _octets(part: str) -> bytes:
    return urlsafe_b64decode(part.encode("ascii") + b"=" * (-len(part) % 4))


@cache
def _rs256() -> Any:
    from jwt.algorithms import RSAAlgorithm

    return RSAAlgorithm(RSAAlgorithm.SHA256)


def _fits(token: str, key: PublicKey) -> bool:
    signed, _, signature = token.rpartition(".")
    return bool(_rs256().verify(signed.encode(), key.key, _octets(signature)))


def _check_algorithm(header: Mapping[str, Any]) -> TokenTrouble | None:
    algorithm = header.get("alg")
    if algorithm == "RS256" and "crit" not in header:
        return None
    if algorithm == "RS256":
        detail = (
            f"The token's header has crit {printable(str(header['crit']), 40)}, which nobody here understands (RFC 7515 section 4.1.11)."
        )
        return TokenTrouble("TOKEN_ALGORITHM", detail, "Leave crit out of the header: RS256 needs none.")
    detail = f"alg is {printable(str(algorithm), 20)!r}; RS256 is expected."
    why = {
        "none": "An unsigned token proves nothing: sign it with the RSA private key.",
        "HS256": "HS256 signs with a shared secret: sign with the RSA private key instead, algorithm RS256.",
    }
    return TokenTrouble("TOKEN_ALGORITHM", detail, why.get(str(algorithm), "Sign with the RSA private key, algorithm RS256."))


def _wrong_org(org: str, entry: KeyEntry) -> TokenTrouble:
    detail = f"iss is {printable(org, 40)!r}, but the signature is by the key {entry.name!r}, which is for org {entry.org}."
    return TokenTrouble("TOKEN_ISSUER", detail, f"Put the org id {entry.org} into iss (15 or 18 characters), or give the key for this org.")


def _unsigned(org: str, own: list[KeyEntry], entries: tuple[KeyEntry, ...]) -> TokenTrouble:
    if not own:
        orgs = ", ".join(sorted({entry.org for entry in entries})[:5])
        detail = f"iss is {printable(org, 40)!r}, for which no key is known; there are keys for {orgs}."
        return TokenTrouble("TOKEN_ISSUER", detail, f"Put the org id into iss, 15 or 18 characters. {HOW_TO_GIVE_A_KEY}")
    keys = [f"{entry.name} ({key.bits} bits, SHA-256 {key.fingerprint})" for entry in own for key in entry.keys]
    tried = ", ".join(keys[:MOST_NAMED]) + (f" and {len(keys) - MOST_NAMED} more" if len(keys) > MOST_NAMED else "")
    whose = f"for {printable(org, 40)!r}" if org else "for any org (the token has no iss)"
    detail = f"The signature fits none of the keys that are known {whose}: {tried}."
    fix = (
        "Sign with the private half of one of these keys (openssl pkey -in private.key -pubout -outform DER | openssl dgst -sha256 "
        "shows its SHA-256), or give the key that you sign with."
    )
    return TokenTrouble("TOKEN_SIGNATURE", detail, f"{fix} {HOW_TO_GIVE_A_KEY}")


def _check_names(claims: Mapping[str, Any], entry: KeyEntry) -> TokenTrouble | None:
    org, sub = claims.get("iss"), claims.get("sub")
    if not isinstance(org, str) or len(org) not in (15, 18):
        fix = "Put the org id into iss: 15 or 18 characters that begin with 00D (Setup, Company Information)."
        return TokenTrouble("TOKEN_ISSUER", f"iss is {_said(org)}; an org id of 15 or 18 characters is expected.", fix)
    if not isinstance(sub, str) or not sub:
        fix = "Put the API name of the call centre into sub."
        return TokenTrouble("TOKEN_SUBJECT", f"sub is {_said(sub)}; the API name of the call centre is expected.", fix)
    if entry.call_center and sub != entry.call_center:
        fix = f"Put {entry.call_center} into sub, or change call_center of {entry.name!r}."
        return TokenTrouble("TOKEN_SUBJECT", f"sub is {_said(sub)}; {entry.call_center!r} is expected.", fix)
    return None


def _check_times(claims: Mapping[str, Any], now: float, skew: float) -> TokenTrouble | None:
    exp, iat, nbf = (claims.get(name) for name in ("exp", "iat", "nbf"))
    for name, value in (("exp", exp), ("iat", iat)):
        if not _is_time(value):
            fix = f"{_hint(name, value)}Use whole seconds since 1970 (RFC 7519 section 2); jsonwebtoken's expiresIn and PyJWT do so."
            return TokenTrouble("TOKEN_TIMES", f"{name} is {_said(value)}; a time in seconds since 1970 is expected.", fix)
    assert isinstance(exp, int | float)
    assert isinstance(iat, int | float)
    if exp <= now:
        detail = f"exp is {_when(exp)}, {now - exp:.0f} s ago (it is {_when(now)} here)."
        return TokenTrouble("TOKEN_EXPIRED", detail, "Make a fresh token for each request, and set the clock by NTP.")
    if iat > exp:
        detail = f"iat {_when(iat)} lies {iat - exp:.0f} s after exp {_when(exp)}: the token ends before it begins."
        return TokenTrouble("TOKEN_TIMES", detail, "Put the time of signing into iat, and a later one into exp.")
    if exp - iat > LONGEST_LIFE:
        more = exp - iat - LONGEST_LIFE
        detail = f"exp {_when(exp)} lies {(exp - iat) / 3600:.1f} h after iat {_when(iat)}, {more:.0f} s more than the 24 h allowed."
        return TokenTrouble("TOKEN_TIMES", detail, "Shorten the token's life to 24 h; five minutes do for one request.")
    if iat > now + skew:
        detail = f"iat is {_when(iat)}, {iat - now:.0f} s ahead of {_when(now)} here."
        return TokenTrouble("TOKEN_TIMES", detail, "Set the clock by NTP; telephony.clock_skew_seconds allows for a difference.")
    if nbf is not None and not (_is_time(nbf) and nbf <= now + skew):
        fix = f"{_hint('nbf', nbf)}Leave nbf out, or set the clock by NTP."
        return TokenTrouble("TOKEN_TIMES", f"nbf is {_said(nbf)}: not good before that.", fix)
    return None


def _check_jti(claims: Mapping[str, Any]) -> TokenTrouble | None:
    """A jti is text (RFC 7519 section 4.1.7), or its reuse could not be told."""
    jti = claims.get("jti")
    if "jti" not in claims or (isinstance(jti, str) and jti):
        return None
    detail = (
        f"jti is {'null' if jti is None else repr(printable(str(jti), 60))}; text that is not empty is expected (RFC 7519 section 4.1.7)."
    )
    return TokenTrouble("TOKEN_MALFORMED", detail, "Send jti as text, a fresh UUID for each token, or leave it out.")


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e11


def _hint(name: str, value: object) -> str:
    """What is likely meant by a time that is too large: 11 digits and more are milliseconds."""
    large = isinstance(value, int | float) and 1e11 <= value < 1e14
    return f"{name} looks like milliseconds: divide by 1000. " if large else ""


def _said(value: object) -> str:
    return "missing" if value is None else repr(printable(str(value), 60))


def _when(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
