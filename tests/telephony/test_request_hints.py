"""What is said of a request that is nearly right: which member, path, claim or key it is, and what to do about it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from sbc_sim.telephony.asking import RestFault, RestRequest
from sbc_sim.telephony.keys import MOST_NAMES, BadKey, KeyEntry, KeyRing, read_keys
from tests.support.rest_client import NOW, Rest, claims, create_body, known_key, private_key, public_pem, signed

SHORT_KEY = b"""-----BEGIN PUBLIC KEY-----
MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBALGGVHQ7vSjwkvQyU+8fKuLGq3Vhe2Zy
mqSi3Dl+U/qrxAtF+HjSIAKV9gu5Q5qhXEKu7OCSTv4ba/rRdvznFZMCAwEAAQ==
-----END PUBLIC KEY-----
"""
"""RSA, 512 bits: no library makes one any more."""


def raw(**members: object) -> bytes:
    return json.dumps(create_body(**members)).encode()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (raw()[:-1] + b', "to": "+15550101"}', "The member to comes more than once"),
        (raw(participants=[])[:-1] + b', "x": {"a": 1, "a": 2}}', "The member a comes more than once"),
        (raw(key="a\0b"), "vendorCallKey holds the character NUL"),
        (raw(to="+1555\ud800"), "to holds a lone surrogate"),
        (raw(**{"from": "\udfff"}), "from holds a lone surrogate"),
        (raw(participants=[]), "participants is an empty array"),
        (raw(participants={"type": "END_USER"}), "participants is an object; a list of objects"),
        (raw(participants=[{"participantKey": "x", "type": "END_USER"}, "y"]), "participants[1] is text; an object"),
    ],
)
def test_a_body_that_cannot_be_taken_names_the_member(body: bytes, says: str) -> None:
    answer = Rest().ask("POST", "/voiceCalls", body)
    assert answer.status == 400
    assert says in answer.body["message"]


@pytest.mark.parametrize(("written", "meant"), [("callCentreApiName", "callCenterApiName"), ("VendorCallkey", "vendorCallKey")])
def test_a_required_member_with_a_slip_in_its_name_is_recognized(written: str, meant: str) -> None:
    body = create_body()
    body[written] = body.pop(meant)
    answer = Rest().ask("POST", "/voiceCalls", body)
    assert (answer.status, answer.body["code"]) == (400, "REQUIRED_FIELD_MISSING")
    assert answer.body["fix"].startswith(f"Did you mean {meant} by {written}?")


def test_a_member_with_a_slip_that_is_ignored_is_recognized_too() -> None:
    answer = Rest().ask("POST", "/voiceCalls", create_body(callAtributes="{}"))
    assert answer.entries[0].data["findings"][0]["fix"].startswith("Did you mean callAttributes?")


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/voicecalls", "/voiceCalls?"),
        ("/voiceCall", "/voiceCalls?"),
        ("/voiceCalls/0LQ1/omniflow", "/voiceCalls/{id}/omniFlow?"),
        ("/omniFlow", "/voiceCalls/{id}/omniFlow?"),
    ],
)
def test_a_path_with_a_slip_is_recognized(path: str, meant: str) -> None:
    answer = Rest().ask("POST", path)
    assert answer.status == 404
    assert answer.body["fix"].startswith(f"Did you mean {meant}")
    assert Rest().ask("POST", "/nothing/like/it").body["fix"].startswith("Known below")


def test_json_that_is_declared_as_a_form_is_taken_with_a_finding() -> None:
    rest = Rest()
    form = "application/x-www-form-urlencoded"
    request = RestRequest("POST", "/voiceCalls", {}, f"Bearer {rest.token}", form, json.dumps(create_body()).encode())
    answer = rest.telephony.answer(request, NOW)
    assert (answer.status, rest.rules(answer)) == (201, {"SBC-E2E-017"})
    nothing = RestRequest("PATCH", "/voiceCalls/key-1/clearRouting", {}, f"Bearer {rest.token}", form, b"null")
    assert "SBC-E2E-017" not in rest.rules(rest.telephony.answer(nothing, NOW))


# --- tokens and keys ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "said", "fix"),
    [
        ({"exp": int(NOW) + 86_500}, "100 s more than the 24 h allowed", "Shorten"),
        ({"exp": int(NOW) * 1000}, "exp is", "exp looks like milliseconds: divide by 1000."),
        ({"nbf": int(NOW) * 1000}, "nbf is", "nbf looks like milliseconds: divide by 1000."),
    ],
)
def test_a_time_of_a_token_that_is_wrong_says_by_how_much_or_what_was_meant(changed: dict[str, int], said: str, fix: str) -> None:
    answer = Rest().ask("POST", "/voiceCalls", create_body(), token=signed(claims(**changed)))
    assert said in answer.body["message"]
    assert answer.body["fix"].startswith(fix)


def test_a_signature_that_fits_no_key_tells_how_many_were_tried() -> None:
    ring = KeyRing([replace(known_key(name=f"k{number}"), org="") for number in range(6)])
    answer = Rest(ring=ring).ask("POST", "/voiceCalls", create_body(), token=signed(claims(iss=None), private_key(2048, 1)))
    assert answer.body["message"].count("SHA-256") == 4
    assert " and 2 more." in answer.body["message"]
    assert "for any org (the token has no iss)" in answer.body["message"]


def test_faults_know_the_partner_by_the_key_that_signed_where_it_is_for_any_org() -> None:
    asked: list[str] = []
    entries = [KeyEntry("other", read_keys(public_pem(2048, 1))), KeyEntry("acme", read_keys(public_pem()))]
    rest = Rest(ring=KeyRing(entries))
    rest.telephony.fault = lambda path, partner, now: asked.append(partner)
    rest.create()
    rest.ask("POST", "/voiceCalls", create_body(), token=signed(claims(), private_key(2048, 1)))
    rest.ask("POST", "/voiceCalls", create_body(), token="a.b.c")
    assert asked == ["acme", "other", ""]
    own = Rest()
    own.telephony.fault = lambda path, partner, now: asked.append(partner)
    own.ask("POST", "/voiceCalls", create_body(), token=signed(claims(), private_key(2048, 1)))
    assert asked[3:] == ["acme"]


def test_an_error_on_purpose_breaks_no_rule_but_the_one_of_limits() -> None:
    rest = Rest()
    for kind, rule in (("telephony-500", None), ("telephony-429", "SBC-E2E-018")):
        rest.telephony.fault = lambda path, partner, now, kind=kind: RestFault("f", kind)  # type: ignore[misc]
        answer = rest.ask("POST", "/voiceCalls", create_body())
        assert answer.body["rule"] == rule
        assert rest.rules(answer) == ({rule} if rule else set())


@pytest.mark.parametrize(
    ("pem", "fix"),
    [
        (lambda: SHORT_KEY, "Make an RSA key of 2,048 bits"),
        (
            lambda: ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            "Make an RSA key of 2,048 bits",
        ),
        (lambda: private_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), "Send what openssl pkey"),
    ],
)
def test_a_key_that_cannot_be_used_comes_with_its_own_cure(pem: object, fix: str) -> None:
    with pytest.raises(BadKey) as refused:
        read_keys(pem())  # type: ignore[operator]
    assert refused.value.fix.startswith(fix)


def test_too_many_names_of_keys_come_with_their_own_cure() -> None:
    ring = KeyRing([KeyEntry(f"n{number}", ()) for number in range(MOST_NAMES)])
    with pytest.raises(BadKey) as refused:
        ring.put(KeyEntry("one more", ()))
    assert refused.value.fix == "DELETE /api/v1/telephony/keys/NAME."
