"""The partner's requests and tokens, taken by the simulator's own model of the API, and the User-to-User value by its judge."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from sbc_sim.calls.uui_alone import judged
from sbc_sim.partner import rest
from sbc_sim.partner.rest import Org, Signer
from sbc_sim.rules.policy import Policy
from sbc_sim.telephony.keys import KeyEntry, KeyRing, read_keys
from sbc_sim.telephony.options import TelephonyOptions
from sbc_sim.telephony.tokens import TokenDesk

NOW = 1_700_000_000.0
ORG = Org()


def a_signer(bits: int = 1024, late: float = 0.0) -> Signer:
    numbers = iter(range(100))
    return Signer(ORG, rsa.generate_private_key(65537, bits), lambda n: f"{next(numbers):0{2 * n}x}", late)


def a_desk(signer: Signer) -> TokenDesk:
    return TokenDesk(KeyRing([KeyEntry("rehearsal", read_keys(signer.public_pem().encode()), ORG.org_id)]), TelephonyOptions())


def test_its_tokens_are_good_and_each_request_has_another():
    signer = a_signer()
    desk = a_desk(signer)
    for _ in range(2):
        identity, trouble = desk.from_header(f"Bearer {signer.bearer(NOW)}", NOW)
        assert trouble is None
        assert identity.verified
        assert (identity.org, identity.call_center) == (ORG.org_id, ORG.call_center)


def test_late_tokens_have_expired():
    signer = a_signer(late=3600)
    _, trouble = a_desk(signer).from_header(f"Bearer {signer.bearer(NOW)}", NOW)
    assert trouble is not None
    assert "exp" in trouble.detail


@pytest.mark.parametrize(("bits", "fits"), [(1024, True), (2048, False)])
def test_a_short_key_makes_a_token_that_fits_into_user_to_user(bits, fits):
    content = rest.content_for(ORG.org_id, ORG.domain, "0LQ000000000001AAA", a_signer(bits).for_call(NOW))
    digits = content.encode().hex()
    assert (len(digits) <= 1024) is fits
    told_off = {finding.rule for finding in judged(f"{digits};encoding=hex", Policy()).findings if finding.status in ("warn", "fail")}
    assert told_off == (set() if fits else {"SBC-UUI-031"})


def test_the_reps_voice_call_is_a_transfer_of_the_first():
    request = rest.create(ORG, "key-rep", "+15550111", "+15550100", NOW, "0LQ000000000001AAA")
    assert request.body is not None
    assert (request.body["initiationMethod"], request.body["parentVoiceCallId"]) == ("Transfer", "0LQ000000000001AAA")
    assert json.loads(request.body["callAttributes"]) == {"rehearsal": "true"}
