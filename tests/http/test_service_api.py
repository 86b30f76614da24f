from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from sbc_sim.http.events import health_json
from sbc_sim.journal.store import StoreHealth
from sbc_sim.rules.catalogue import RULE_SET_VERSION, RULES
from tests.http.conftest import Lab


def test_livez_answers_while_readyz_says_why_not(lab: Lab) -> None:
    assert lab.client.get("/readyz").json() == {"ready": True, "reasons": []}
    lab.unready.append("The certificate expired.")
    response = lab.client.get("/readyz")
    assert (response.status_code, response.json()) == (503, {"ready": False, "reasons": ["The certificate expired."]})
    assert (lab.client.get("/livez").status_code, lab.client.get("/livez").json()) == (200, {"live": True})


def test_the_index_points_to_what_is_there(make_lab: Callable[..., Lab]) -> None:
    lab = make_lab(base_path="/sbc-sim")
    for at in ("/", "/sbc-sim/"):
        told = lab.client.get(at)
        assert (told.status_code, told.json()["name"]) == (200, "sbc-sim")
        for name in ("info", "calls", "attempts", "rules", "metrics"):
            assert lab.client.get(at + told.json()["links"][name]).status_code == 200, name


def test_the_index_asks_for_the_token_too(make_lab: Callable[..., Lab]) -> None:
    lab = make_lab(token="t0ken")
    assert lab.client.get("/").status_code == 401
    assert lab.client.get("/", headers={"Authorization": "Bearer t0ken"}).status_code == 200


def test_info_is_what_the_service_says(lab: Lab) -> None:
    lab.info.update(version="1.2.3", sip={"port": 5061})
    told = lab.client.get("/api/v1/info").json()
    assert told.pop("store") == {"kind": "memory", "durable": False, "trouble": "", "waiting": 0, "lost": 0, "unreadable": ""}
    assert told == {"version": "1.2.3", "sip": {"port": 5061}}


def test_every_rule_of_the_catalogue_is_listed_and_explained_by_its_id(lab: Lab) -> None:
    listed = lab.client.get("/api/v1/rules").json()
    assert listed["ruleSet"] == RULE_SET_VERSION
    assert [rule["id"] for rule in listed["rules"]] == list(RULES)
    one = listed["rules"][0]
    assert lab.client.get(f"/api/v1/rules/{one['id'].lower()}").json() == one
    assert {"id", "title", "severity", "why", "fix", "source", "platforms"} <= one.keys()


def test_rules_are_found_by_words_as_on_the_command_line(lab: Lab) -> None:
    found = lab.client.get("/api/v1/rules?q=488").json()["rules"]
    assert 0 < len(found) < len(RULES)
    assert lab.client.get("/api/v1/rules?q=zzzzqqqq").json()["rules"] == []


def test_an_unknown_rule_is_a_404(lab: Lab) -> None:
    response = lab.client.get("/api/v1/rules/SBC-XXX-999")
    assert (response.status_code, response.json()["code"]) == (404, "no-such-rule")


def test_the_ca_is_given_as_a_file(lab: Lab) -> None:
    response = lab.client.get("/api/v1/tls/ca.pem")
    assert response.headers["content-type"] == "application/x-pem-file"
    assert "sbc-sim-ca.pem" in response.headers["content-disposition"]
    assert response.text.startswith("-----BEGIN CERTIFICATE-----")


def test_a_ca_file_that_is_gone_is_a_404_and_no_500(lab: Lab, tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "ca.pem").unlink()
    response = lab.client.get("/api/v1/tls/ca.pem")
    assert (response.status_code, response.json()["code"]) == (404, "no-ca")
    assert str(tmp_path) not in response.text


def test_the_page_about_the_interface_names_every_path_and_every_parameter(lab: Lab) -> None:
    page = (Path(__file__).parents[2] / "docs" / "http.md").read_text(encoding="utf-8")
    told = {tuple(cell.strip() for cell in line.split("|")[1:3]) for line in page.splitlines() if re.match(r"\| `[A-Z]+ /", line)}
    routes = lab.factory.front.table.routes
    served = {(f"`{one.method} {one.template}`", " ".join(f"`{name}`" for name in one.query)) for one in routes if one.documented}
    assert told == served


def test_clients_see_why_old_calls_are_missing_and_first_of_all_what_is_lost_now() -> None:
    assert health_json(StoreHealth("sqlite", True, unreadable="damaged"))["trouble"] == "damaged"
    both = health_json(StoreHealth("sqlite", False, "full", unreadable="damaged"))
    assert (both["trouble"], both["unreadable"]) == ("full", "damaged")
    assert health_json(StoreHealth("sqlite", True))["trouble"] == ""
