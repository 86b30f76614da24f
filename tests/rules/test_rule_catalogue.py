from __future__ import annotations

import re
from pathlib import Path

import pytest

from sbc_sim.rules import catalogue
from sbc_sim.rules.alerts import ALERTS
from sbc_sim.rules.answers import ANSWERS
from sbc_sim.rules.catalogue import AREAS, RULES, area, rule
from sbc_sim.rules.entries import platforms
from sbc_sim.rules.explain import as_line, as_markdown, as_text, explain, finding_data, rule_data
from sbc_sim.rules.finding import Quote, Rule
from sbc_sim.rules.offer import FAULTS
from sbc_sim.rules.outcome import failed
from sbc_sim.settings import all_settings
from sbc_sim.sip.responses import REASONS

ROOT = Path(__file__).parents[2]
PLATFORMS = {value for name, value in vars(platforms).items() if name.isupper() and isinstance(value, str)}
LISTS = (
    "TLS",
    "NET",
    "FORM",
    "REQUEST",
    "HDR",
    "UUI_FORM",
    "UUI_CONTENT",
    "SDP",
    "SRTP",
    "MEDIA",
    "DLG",
    "E2E_RECORDS",
    "REACTIONS",
    "E2E_RETURN",
)
GUESS = re.compile(
    r"unknown|guess|not published|publishes none|not say|our (choice|limit|setting)|a setting|third party|drawn from",
    re.IGNORECASE,
)
ENTRIES: list[Rule] = [entry for name in LISTS for entry in getattr(catalogue, name)]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_an_entry_says_all_that_an_engineer_needs(entry: Rule) -> None:
    assert re.fullmatch(r"SBC-(TLS|SIP|SDP|SRTP|UUI|HDR|DLG|NET|MEDIA|E2E)-\d{3}", entry.id)
    assert entry.severity in {"must", "profile", "advice"}
    assert 10 < len(entry.title) < 110
    assert not entry.title.endswith(".")
    for text in (entry.why, entry.fix):
        assert text.endswith(".")
        assert "  " not in text
        assert len(text) > 15
    assert entry.source
    assert entry.keywords
    assert all(keyword == keyword.lower() for keyword in entry.keywords)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_an_entry_names_only_settings_and_platforms_that_there_are(entry: Rule) -> None:
    assert not entry.setting or entry.setting in all_settings()
    assert set(entry.platforms) <= PLATFORMS
    for named in re.findall(r"\b(?:sip|uui|media|tls|limits|rules)\.[a-z_]+\b", f"{entry.why} {entry.fix} {entry.source}"):
        assert named in all_settings(), named


def test_no_id_is_there_twice() -> None:
    assert len(ENTRIES) == len(RULES) == len({entry.id for entry in ENTRIES})
    assert len({entry.title for entry in ENTRIES}) == len(ENTRIES)


def test_the_areas_of_the_catalogue_are_those_of_its_ids_in_their_order() -> None:
    assert list(dict.fromkeys(map(area, RULES))) == list(AREAS)


@pytest.mark.parametrize("entry", [entry for entry in ENTRIES if entry.severity == "profile"], ids=lambda entry: entry.id)
def test_a_rule_that_rests_on_a_guess_says_so_in_its_source(entry: Rule) -> None:
    assert GUESS.search(entry.source)


def test_an_unknown_id_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        rule("SBC-UUI-999")


# --- explain ---------------------------------------------------------------------------------------------------------------------


def ids(word: str) -> list[str]:
    return [entry.id for entry in explain(word)]


def test_without_a_word_every_rule_is_listed_in_order() -> None:
    assert ids("") == ids("  ") == list(RULES)


@pytest.mark.parametrize("word", ["SBC-UUI-002", "sbc-uui-002", "UUI-002", "uui-2"])
def test_a_rule_is_found_by_its_id_in_any_spelling(word: str) -> None:
    assert ids(word) == ["SBC-UUI-002"]


def test_an_area_gives_all_its_rules() -> None:
    assert ids("srtp") == [entry for entry in RULES if entry.startswith("SBC-SRTP-")]


@pytest.mark.parametrize(
    ("word", "wanted"),
    [
        ("488", "SBC-SDP-005"),
        ("405", "SBC-SIP-022"),
        ("305", "SBC-SDP-006"),
        ("unknown_ca", "SBC-TLS-006"),
        ("unknown_ca", "SBC-TLS-003"),
        ("certificate_required", "SBC-TLS-013"),
        ("odd-digits", "SBC-UUI-002"),
        ("one-way audio", "SBC-MEDIA-002"),
        ("uui.over_limit", "SBC-UUI-031"),
        ("media_encryption_optimistic", "SBC-SRTP-001"),
        ("freeswitch pcmu", "SBC-SDP-005"),
    ],
)
def test_a_rule_is_found_by_what_stands_in_the_trace(word: str, wanted: str) -> None:
    assert wanted in ids(word)


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_leads_to_a_rule(alert: str) -> None:
    assert ids(alert)[0] == ALERTS[alert].rule


@pytest.mark.parametrize("status", sorted({answer.status for answer in ANSWERS.values()} | {m.status for m in FAULTS.values()}))
def test_every_status_that_we_refuse_with_leads_to_a_rule_and_stands_in_the_table_with_its_reason(status: int) -> None:
    assert ids(str(status))
    assert f"| {status} {REASONS[status]} | [SBC-" in as_markdown()


def test_a_word_that_nobody_wrote_finds_nothing() -> None:
    assert ids("xyzzy") == []


@pytest.mark.parametrize("width", [60, 100])
def test_the_text_fits_the_terminal_but_for_words_that_cannot_be_broken(width: int) -> None:
    for entry in ENTRIES:
        lines = as_text(entry, width).split("\n")
        assert lines[0] == f"{entry.id}  {entry.severity}"
        assert all(len(line) <= width or len(line.split()) <= 2 for line in lines), [line for line in lines if len(line) > width]
        assert " ".join(entry.why.split()) in " ".join(" ".join(lines).split())


def test_a_line_shows_id_severity_and_demand() -> None:
    assert as_line(RULES["SBC-UUI-002"]) == "SBC-UUI-002    must     The hex digits come in pairs"


def test_a_tls_rule_lists_the_alerts_that_mean_it() -> None:
    assert "protocol_version (70): no TLS version in common" in as_text(RULES["SBC-TLS-004"])


def test_a_finding_has_the_shape_of_the_interface() -> None:
    found = failed("SBC-UUI-002", "Odd.", Quote("7b2", "User-to-User", 2, "INVITE"))
    data = finding_data(found, RULES["SBC-UUI-002"])
    assert list(data) == ["rule", "status", "severity", "title", "detail", "evidence", "source", "why", "fix", "platforms"]
    assert data["status"] == "fail"
    assert data["evidence"] == [{"message": "INVITE", "header": "User-to-User", "text": "7b2", "offset": 2}]
    assert data["fix"] == RULES["SBC-UUI-002"].fix
    assert finding_data(failed("SBC-UUI-002", "Odd.", fix="Do this."), RULES["SBC-UUI-002"])["fix"] == "Do this."


def test_a_rule_has_the_shape_of_the_interface() -> None:
    data = rule_data(RULES["SBC-NET-002"])
    assert data["id"] == "SBC-NET-002"
    assert data["setting"] == "limits.calls"
    assert "503" in data["keywords"]
    assert rule_data(RULES["SBC-SIP-001"])["setting"] is None


# --- docs/rules.md ---------------------------------------------------------------------------------------------------------------


def test_the_page_of_rules_is_what_the_catalogue_says() -> None:
    assert (ROOT / "docs" / "rules.md").read_text(encoding="utf-8") == as_markdown(), "run `make docs`"


def test_every_link_inside_the_page_has_its_heading() -> None:
    page = as_markdown()
    headings = {line.lstrip("# ").lower().replace(" ", "-") for line in page.split("\n") if line.startswith("#")}
    assert set(re.findall(r"\]\(#([^)]+)\)", page)) <= headings
    assert all(entry.lower() in headings for entry in RULES)
