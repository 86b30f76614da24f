"""Kinds of settings: what YAML and text become, and how the rest is refused."""

import json
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbc_sim import kinds
from sbc_sim.kinds import Endpoint, Kind, PortRange, Secret

ALL = [
    *(kinds.TEXT, kinds.TRUTH, kinds.WHOLE, kinds.NUMBER, kinds.PATH, kinds.SECRET, kinds.ADDRESS, kinds.ENDPOINT, kinds.PORTS),
    *(kinds.NETWORK, kinds.PAIRS, kinds.choice("a", "b"), kinds.choice(1), kinds.matching("x+"), kinds.several(kinds.WHOLE, least=1)),
    *(kinds.optional(kinds.WHOLE), kinds.bounded(kinds.NUMBER, least=0, most=1)),
]
YAML_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=5,
)


def refusal(kind: Kind, value: object) -> str:
    with pytest.raises(ValueError) as caught:
        kind.read(value)
    return str(caught.value)


@given(YAML_VALUES)
def test_whatever_a_file_holds_is_read_and_can_be_shown_or_is_refused(value):
    for kind in ALL:
        try:
            read = kind.read(value)
        except ValueError:  # the one exception that callers expect
            continue
        json.dumps(kinds.to_json(read))


@pytest.mark.parametrize("text", ["true", "True", "YES", "on", "1", " y ", True, 1])
def test_every_common_spelling_of_true_is_read(text):
    assert kinds.TRUTH.read(text) is True


@pytest.mark.parametrize("text", ["false", "No", "OFF", "0", False, 0])
def test_every_common_spelling_of_false_is_read(text):
    assert kinds.TRUTH.read(text) is False


@pytest.mark.parametrize("text", ["", "maybe", "2", 2, None])
def test_what_is_neither_true_nor_false_is_refused(text):
    assert refusal(kinds.TRUTH, text) == "input should be true or false"


@pytest.mark.parametrize(("value", "number"), [("7", 7), (7, 7), (7.0, 7), ("7.0", 7), (" 7 ", 7), ("-3", -3)])
def test_a_whole_number_may_be_text_or_have_no_fraction(value, number):
    read = kinds.WHOLE.read(value)
    assert (read, type(read)) == (number, int)


@pytest.mark.parametrize("value", ["seven", True, None, [7], "nan", "inf", 10**400])
def test_what_is_no_number_is_refused(value):
    assert refusal(kinds.WHOLE, value) == refusal(kinds.NUMBER, value) == "input should be a number"


def test_a_fraction_is_no_whole_number():
    assert refusal(kinds.WHOLE, "7.5") == "input should be a whole number"


def test_bounds_are_named_when_they_are_crossed():
    kind = kinds.bounded(kinds.NUMBER, above=0, most=180)
    assert refusal(kind, 0) == "input should be greater than 0"
    assert refusal(kind, "180.5") == "input should be less than or equal to 180"
    assert kind.read(180) == 180
    assert refusal(kinds.bounded(kinds.WHOLE, least=90), 89) == "input should be greater than or equal to 90"


def test_a_choice_takes_numbers_as_text_and_text_that_yaml_took_for_a_number():
    assert kinds.choice(501, 405).read("405") == 405
    assert kinds.choice("1.2", "1.3").read(1.3) == "1.3"
    assert kinds.choice("403", "close").read(403) == "403"


def test_a_choice_names_all_it_takes():
    assert refusal(kinds.choice("a", "b", "c"), "d") == "input should be 'a', 'b' or 'c'"
    assert refusal(kinds.choice("memory:"), True) == "input should be 'memory:'"


def test_a_list_may_be_yaml_or_words_between_commas():
    kind = kinds.several(kinds.TEXT)
    assert kind.read(" a, b,,") == kind.read(["a", "b"]) == ("a", "b")
    assert refusal(kind, {"a": 1}) == "input should be a list, or words between commas"
    assert refusal(kind, [1]) == "input should be a valid string"


def test_a_mapping_may_be_yaml_or_pairs_between_commas():
    assert kinds.PAIRS.read("a=b, c=d") == kinds.PAIRS.read({"a": "b", "c": "d"}) == {"a": "b", "c": "d"}
    assert refusal(kinds.PAIRS, ["a=b"]) == "input should be a mapping, or a=b,c=d"
    assert refusal(kinds.PAIRS, {"a": 1}) == "input should be a valid string"


def test_a_pattern_must_match_the_whole_text():
    assert kinds.matching("(/[a-z]+)*").read("/a/b") == "/a/b"
    assert "pattern" in refusal(kinds.matching("(/[a-z]+)*"), "/a/b\n")


def test_the_kind_follows_from_the_annotation():
    assert kinds.of_annotation(int) is kinds.WHOLE
    assert kinds.of_annotation(Literal[405, 603]).schema == {"enum": [405, 603], "type": "integer"}
    maybe = kinds.of_annotation(Path | None)
    assert maybe.read(None) is None
    assert maybe.read("a.pem") == Path("a.pem")
    with pytest.raises(KeyError):
        kinds.of_annotation(complex)


def test_values_are_written_for_json_as_a_file_would_hold_them():
    assert kinds.to_json((Endpoint("::1", 5061), PortRange(0, 0), Path("certs"), 1.5, None)) == ["[::1]:5061", "0", "certs", 1.5, None]


def test_a_secret_is_masked_wherever_it_is_written():
    secret = Secret("hunter2")
    assert secret.value == "hunter2"
    assert "hunter2" not in f"{secret} {secret!r} {[secret]} {kinds.to_json(secret)}"
