"""What stands in From of a placed call."""

from __future__ import annotations

import pytest

from sbc_sim.commands.call import _caller


@pytest.mark.parametrize(
    ("given", "header"),
    [
        ("+15550111", "<sip:+15550111@partner.invalid>"),
        ("sip:ann@a.example", "<sip:ann@a.example>"),
        ("tel:+15550111", "<tel:+15550111>"),
        ("<sip:ann@a.example>", "<sip:ann@a.example>"),
        ('"Ann Lee" <sip:ann@a.example;user=phone>', '"Ann Lee" <sip:ann@a.example;user=phone>'),
    ],
)
def test_a_caller_is_a_number_a_uri_or_a_name_and_uri(given: str, header: str) -> None:
    assert _caller(given) == header
