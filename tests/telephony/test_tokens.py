"""Tokens of the Telephony Integration API: what is taken, and that each refusal names the claim and how to mend it (118 to 120)."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
import warnings
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

from sbc_sim.telephony import tokens
from sbc_sim.telephony.asking import RestAnswer, RestRequest
from sbc_sim.telephony.keys import MOST_NAMES, BadKey, KeyEntry, KeyRing, read_keys
from sbc_sim.telephony.model import Telephony
from sbc_sim.telephony.options import TelephonyOptions
from tests.support.rest_client import CENTER, NOW, ORG, ORG_18, Rest, claims, create_body, known_key, private_key, public_pem, signed


def certificate() -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "partner")])
    day = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder(name, name, private_key().public_key(), 4711, day, day + dt.timedelta(days=9))
    return builder.sign(private_key(), hashes.SHA256()).public_bytes(Encoding.PEM)


def asked(rest: Rest, token: str) -> RestAnswer:
    return rest.ask("POST", "/voiceCalls", create_body(), token)


@pytest.mark.parametrize("bits", [1024, 2048, 4096])
def test_a_token_signed_with_a_key_of_any_documented_length_is_taken(bits: int) -> None:
    rest = Rest(ring=KeyRing([known_key(bits)]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert asked(rest, signed(claims(), private_key(bits))).status == 201


def test_a_key_may_come_in_a_certificate_or_as_pkcs1() -> None:
    pkcs1 = private_key().public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1)
    for pem in (certificate(), pkcs1):
        rest = Rest(ring=KeyRing([KeyEntry("acme", read_keys(pem), ORG, CENTER)]))
        assert asked(rest, signed(claims())).status == 201


@pytest.mark.parametrize("org", [ORG, ORG_18])
def test_the_org_may_have_15_or_18_characters_and_neither_jti_nor_aud_is_asked_for(org: str) -> None:
    assert asked(Rest(ring=KeyRing([known_key(org=ORG_18)])), signed(claims(iss=org))).status == 201
    assert asked(Rest(), signed(claims(iss=org, aud="https://scrt.salesforce.com"))).status == 201


def hs256(told: dict[str, Any]) -> str:
    """Sign with the public key as secret: what a confused verifier takes."""
    first = ".".join(urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=") for one in ({"alg": "HS256", "typ": "JWT"}, told))
    return f"{first}.{urlsafe_b64encode(hmac.digest(public_pem(), first.encode(), hashlib.sha256)).decode().rstrip('=')}"


def signed_raw(told: dict[str, Any]) -> str:
    """Signed with whatever claims: PyJWT refuses some itself."""
    first = unsigned(told, "RS256").rstrip(".")
    signature = private_key().sign(first.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{first}.{urlsafe_b64encode(signature).decode().rstrip('=')}"


def unsigned(told: dict[str, Any], algorithm: str = "none") -> str:
    parts = (urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=") for one in ({"alg": algorithm}, told))
    return ".".join(parts) + "."


REFUSED = {
    "expired": (lambda: signed(claims(exp=int(NOW) - 35)), "TOKEN_EXPIRED", "35 s ago"),
    "exp is now": (lambda: signed(claims(exp=int(NOW))), "TOKEN_EXPIRED", "0 s ago"),
    "lives too long": (lambda: signed(claims(exp=int(NOW) + 86401)), "TOKEN_TIMES", "24.0 h after iat"),
    "no exp": (lambda: signed(claims(exp=None)), "TOKEN_TIMES", "exp is missing"),
    "no iat": (lambda: signed(claims(iat=None)), "TOKEN_TIMES", "iat is missing"),
    "exp is text": (lambda: signed({**claims(exp=None), "exp": "soon"}, key=None), "TOKEN_TIMES", "exp is 'soon'"),
    "exp is true": (lambda: signed({**claims(exp=None), "exp": True}), "TOKEN_TIMES", "exp is 'True'"),
    "milliseconds": (lambda: signed(claims(iat=int(NOW * 1000), exp=int(NOW * 1000) + 9)), "TOKEN_TIMES", "seconds since 1970"),
    "clock ahead": (lambda: signed(claims(iat=int(NOW) + 200)), "TOKEN_TIMES", "200 s ahead"),
    "iat after exp": (lambda: signed(claims(iat=int(NOW) + 30, exp=int(NOW) + 20)), "TOKEN_TIMES", "10 s after exp"),
    "jti is a number": (lambda: signed_raw(claims(jti=7)), "TOKEN_MALFORMED", "jti is '7'; text"),
    "jti is a list": (lambda: signed_raw(claims(jti=["a"])), "TOKEN_MALFORMED", "RFC 7519 section 4.1.7"),
    "jti is empty": (lambda: signed_raw(claims(jti="")), "TOKEN_MALFORMED", "not empty"),
    "jti is null": (lambda: signed_raw({**claims(), "jti": None}), "TOKEN_MALFORMED", "jti is null"),
    "not before": (lambda: signed(claims(nbf=int(NOW) + 200)), "TOKEN_TIMES", "nbf is"),
    "HS256": (lambda: hs256(claims()), "TOKEN_ALGORITHM", "HS256"),
    "none": (lambda: unsigned(claims()), "TOKEN_ALGORITHM", "'none'"),
    "RS256 unsigned": (lambda: unsigned(claims(), "RS256"), "TOKEN_SIGNATURE", "fits none"),
    "RS512": (lambda: signed(claims(), algorithm="RS512"), "TOKEN_ALGORITHM", "RS512"),
    "ES256": (lambda: signed(claims(), ec.generate_private_key(ec.SECP256R1()), "ES256"), "TOKEN_ALGORITHM", "ES256"),
    "crit": (lambda: signed(claims(), crit=["b64"], b64=True), "TOKEN_ALGORITHM", "crit"),
    "another key": (lambda: signed(claims(), private_key(2048, 1)), "TOKEN_SIGNATURE", "fits none of the keys"),
    "wrong sub": (lambda: signed(claims(sub="Other")), "TOKEN_SUBJECT", "sub is 'Other'; 'AcmeCallCenter' is expected"),
    "no sub": (lambda: signed(claims(sub=None)), "TOKEN_SUBJECT", "sub is missing"),
    "wrong org": (lambda: signed(claims(iss="00D000000000009")), "TOKEN_ISSUER", f"which is for org {ORG}"),
    "unknown org": (lambda: signed(claims(iss="00D000000000009"), private_key(2048, 1)), "TOKEN_ISSUER", "no key is known"),
    "no iss": (lambda: signed(claims(iss=None)), "TOKEN_ISSUER", "iss is"),
    "tampered": (lambda: swapped(signed(claims())), "TOKEN_SIGNATURE", "fits none"),
    "a word": (lambda: "secret", "TOKEN_MALFORMED", "1 parts between dots"),
    "no JSON": (lambda: "e30.bm9wZQ.e30", "TOKEN_MALFORMED", "claims is not"),
    "not Base64": (lambda: "e30.%%.e30", "TOKEN_MALFORMED", "not base64url"),
    "too long": (lambda: "e30." + "a" * 9000 + ".e30", "TOKEN_MALFORMED", "characters"),
}


def swapped(token: str) -> str:
    header, _, signature = token.split(".")
    return f"{header}.{urlsafe_b64encode(json.dumps(claims(sub='Evil')).encode()).decode().rstrip('=')}.{signature}"


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_token_is_refused_with_the_claim_its_value_and_the_cure(name: str) -> None:
    make, code, says = REFUSED[name]
    answer = asked(Rest(), make())
    assert (answer.status, answer.body["code"]) == (401, code), answer.body
    assert says in answer.body["message"], answer.body["message"]
    assert answer.body["rule"] == "SBC-E2E-016"
    assert len(answer.body["fix"]) > 20
    assert dict(answer.headers)["WWW-Authenticate"].startswith("Bearer")
    assert Rest().telephony.find("key-1") is None


def test_the_status_of_a_refusal_is_a_setting_but_without_a_token_it_is_401() -> None:
    rest = Rest(TelephonyOptions(refused_status=403))
    assert asked(rest, signed(claims(sub="Other"))).status == 403
    assert asked(rest, "").status == 401
    assert asked(rest, "secret").status == 401


@pytest.mark.parametrize(("header", "code"), [("", "TOKEN_MISSING"), ("Basic YTpi", "TOKEN_MALFORMED"), ("Bearer", "TOKEN_MALFORMED")])
def test_a_header_without_a_token_says_what_to_send(header: str, code: str) -> None:
    answer = Rest().telephony.answer(RestRequest("POST", "/voiceCalls", {}, header), NOW)
    assert (answer.status, answer.body["code"]) == (401, code)
    assert "Authorization: Bearer" in answer.body["fix"]


def test_without_any_key_the_answer_says_how_to_give_one() -> None:
    answer = asked(Rest(ring=KeyRing()), signed(claims()))
    assert (answer.status, answer.body["code"]) == (401, "NO_KEY")
    assert "PUT /api/v1/telephony/keys/NAME" in answer.body["fix"]
    assert "partners.NAME.public_keys" in answer.body["fix"]


def test_a_jti_is_good_once_and_each_org_has_its_own() -> None:
    rest = Rest(ring=KeyRing([known_key(org="", center="")]))
    once = signed(claims(jti="one"))
    assert asked(rest, once).status == 201
    again = asked(rest, once)
    assert (again.status, again.body["code"]) == (401, "TOKEN_REUSED")
    assert "'one' was used before" in again.body["message"]
    assert asked(rest, signed(claims(jti="one", iss="00D000000000009"))).status == 201
    assert asked(rest, signed(claims(jti="two"))).status == 201


def test_a_refused_token_does_not_use_up_its_jti_and_reuse_may_only_warn() -> None:
    rest = Rest(TelephonyOptions(jti_reuse="warn"))
    assert asked(rest, signed(claims(jti="one", sub="Other"))).status == 401
    first = asked(rest, signed(claims(jti="one")))
    assert (first.status, rest.rules(first)) == (201, set())
    second = asked(rest, signed(claims(jti="one")))
    assert second.status == 201
    assert "SBC-E2E-016" in rest.rules(second)


def test_only_so_many_jti_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "MOST_JTI", 3)
    rest = Rest()
    for number in range(5):
        asked(rest, signed(claims(jti=f"j{number}")))
    assert len(rest.telephony.tokens._used) == 3
    assert asked(rest, signed(claims(jti="j4"))).status == 401
    assert asked(rest, signed(claims(jti="j0"))).status == 201


def test_report_takes_any_token_and_tells_and_off_looks_at_none() -> None:
    report = Rest(TelephonyOptions(verify="report"))
    answer = asked(report, signed(claims(), private_key(2048, 1)))
    assert (answer.status, report.rules(answer)) == (201, {"SBC-E2E-016"})
    off = Rest(TelephonyOptions(verify="off"))
    answer = asked(off, "")
    assert (answer.status, off.rules(answer)) == (201, set())


def test_a_key_of_the_org_comes_before_one_for_any_org_that_fits_too() -> None:
    anybody = KeyEntry("a-common", read_keys(public_pem()), "", "", "nobody")
    rest = Rest(ring=KeyRing([anybody, known_key(name="z-own")]))
    told = asked(rest, signed(claims())).entries[0].data
    assert (told["partner"], told["verified"]) == ("z-own", True)
    assert "is expected" in asked(rest, signed(claims(sub="Other"))).body["message"], "the call centre of the org's own key holds"


def test_two_keys_of_a_rotation_both_fit() -> None:
    both = public_pem() + public_pem(2048, 1)
    rest = Rest(ring=KeyRing([KeyEntry("acme", read_keys(both), ORG, CENTER)]))
    for which in (0, 1):
        assert asked(rest, signed(claims(), private_key(2048, which))).status == 201


def test_the_partner_is_whose_key_signed() -> None:
    ring = KeyRing([known_key(name="acme"), KeyEntry("other", read_keys(public_pem(2048, 1)), "00D000000000009", "", "other")])
    rest = Rest(ring=ring)
    asked(rest, signed(claims(iss="00D000000000009", sub="X"), private_key(2048, 1)))
    record = rest.telephony.find("key-1")
    assert record is not None
    assert (record.partner, record.org) == ("other", "00D000000000009")


# --- keys ------------------------------------------------------------------------------------------------------------------------


def pem_of(key: Any) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[no-any-return]


BAD_KEYS = {
    "nothing": (lambda: b"", "no PEM block"),
    "a word": (lambda: b"ssh-rsa AAAA", "no PEM block"),
    "private": (
        lambda: private_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        "must not leave the partner",
    ),
    "damaged": (lambda: public_pem().replace(b"MIIB", b"MII*"), "damaged"),
    "not RSA": (lambda: pem_of(ec.generate_private_key(ec.SECP256R1()).public_key()), "not RSA"),
    "another block": (lambda: b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----", "no public key"),
    "too many": (lambda: public_pem() * 11, "more than the 10"),
}


@pytest.mark.parametrize("name", BAD_KEYS)
def test_what_is_no_key_is_refused_with_a_reason_that_quotes_nothing(name: str) -> None:
    make, says = BAD_KEYS[name]
    with pytest.raises(BadKey, match=says) as refused:
        read_keys(make())
    assert "MII" not in str(refused.value)


class CountedPem(bytes):
    """Counts the octets in which an end was looked for."""

    searched = 0

    def find(self, *wanted: Any) -> int:
        found = super().find(*wanted)
        self.searched += (len(self) if found < 0 else found) - wanted[1]
        return found


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"-----BEGIN A-----\n" * 3000, "has no end"),
        (b"-----BEGIN A-----\n-----END A-----\n" * 1900, "more than the 10"),
        (b"-----BEGIN A-----\n" * 4000, "at most 65536"),
    ],
)
def test_a_pem_text_made_to_be_slow_is_read_once_at_most(text: bytes, says: str) -> None:
    pem = CountedPem(text)
    with pytest.raises(BadKey, match=says):
        read_keys(pem)
    assert pem.searched <= len(pem)


def test_keys_are_kept_under_so_many_names() -> None:
    ring = KeyRing()
    for number in range(MOST_NAMES):
        assert ring.put(KeyEntry(f"n{number}", ()))
    with pytest.raises(BadKey, match="delete one"):
        ring.put(KeyEntry("one-more", ()))
    assert not ring.put(KeyEntry("n0", ()))
    assert ring.drop("n0")
    assert not ring.drop("n0")


def test_a_key_that_is_dropped_opens_nothing_any_more() -> None:
    rest = Rest()
    assert asked(rest, signed(claims())).status == 201
    rest.telephony.ring.drop("acme")
    assert asked(rest, signed(claims())).body["code"] == "NO_KEY"


def test_the_model_takes_its_time_only_from_its_caller() -> None:
    long_ago = Telephony(ring=KeyRing([known_key()]))
    token = signed(claims(now=1000.0))
    request = RestRequest("POST", "/voiceCalls", {}, f"Bearer {token}", "application/json", json.dumps(create_body()).encode())
    assert long_ago.answer(request, 1001.0).status == 201
    assert long_ago.answer(request, 2000.0).body["code"] == "TOKEN_EXPIRED"
