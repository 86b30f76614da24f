"""`sbc-sim rehearse --against`: the built-in partner plays the whole rehearsal, and each mistake planted in it fails just its own step."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.end_to_end.clients.audio import speech, write_wav
from tests.end_to_end.server import PATIENT, ROOT, serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
MOST_CPU = 60.0
"""CPU-seconds for ten regions and both escalations: wall-clock time on a busy machine says nothing. Alone it takes about 10."""


def rehearse(folder: Path, *options: str, against: str = "self", **settings: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, the rehearsal as JSON, and what was printed beside it."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SBC_SIM_")}
    wanted = {f"SBC_SIM_{name}": value for name, value in (PATIENT | settings).items()}
    surroundings = {**clean, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", **wanted}
    command = [sys.executable, "-m", "sbc_sim", "rehearse", "--against", against, "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True, env=surroundings, cwd=folder, timeout=280, check=False)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout), done.stderr


@pytest.fixture
def short_prompts(tmp_path: Path) -> str:
    """A folder of prompts that are over soon, for tests that are not about what the agent says."""
    folder = tmp_path / "prompts"
    folder.mkdir()
    for seed, name in enumerate(("greeting", "answer", "handover")):
        write_wav(folder / f"{name}.wav", speech(0.6, seed))
    return str(folder)


def states(rehearsal: dict[str, Any]) -> dict[str, str]:
    return {step["id"]: step["state"] for step in rehearsal["steps"]}


def test_ten_regions_and_both_ways_back_pass_unattended_with_report_junit_and_form(tmp_path: Path):
    files = {name: tmp_path / name for name in ("protocol.html", "junit.xml", "form.html")}
    before = os.times()
    code, rehearsal, said = rehearse(
        tmp_path, "--html", str(files["protocol.html"]), "--junit", str(files["junit.xml"]), "--form", str(files["form.html"])
    )
    after = os.times()
    assert code == 0, [(step["id"], step["why"]) for step in rehearsal["steps"] if step["state"] != "passed"]
    assert rehearsal["state"] == "passed"
    told = states(rehearsal)
    assert sum(name.startswith("connectivity/") for name in told) == 10
    assert told["e2e-bye/linked"] == told["e2e-invite-back/return"] == "passed"
    assert set(told.values()) == {"passed"}
    suite = ElementTree.parse(files["junit.xml"]).getroot()
    assert (int(suite.get("tests", "0")), suite.get("failures")) == (len(told), "0")
    assert all("connectivity" in files[name].read_text().lower() for name in ("protocol.html",))
    assert "SIP Signaling Configuration Form" in files["form.html"].read_text()
    assert "Traceback" not in said
    used = after.children_user + after.children_system - before.children_user - before.children_system
    assert used < MOST_CPU


MISTAKES = {
    "no-create": ("create", "no voice call was created before it", ()),
    "expired-jwt": ("create", "was refused with 401. SBC-E2E-", ()),
    "wrong-org": ("invite", "orgId is '00D999999999999', but the voice call was created by the org '00D000000000001'", ("create",)),
    "drop-customer": (
        "customer-alive",
        "The customer's leg was dropped",
        ("create", "invite", "agent", "customer", "escalate", "ended", "closed"),
    ),
    "unlinked-rep": (
        "linked",
        "The rep's record does not refer to the agent's voice call",
        ("create", "invite", "agent", "customer", "escalate", "ended", "customer-alive", "rep", "closed"),
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_fails_exactly_its_step_with_its_sentence(tmp_path: Path, short_prompts: str, mistake: str):
    failing, sentence, passing = MISTAKES[mistake]
    options = ("--part", "end-to-end", "--escalation", "bye", "--region", "frankfurt", "--mistake", mistake)
    code, rehearsal, _ = rehearse(tmp_path, *options, ESCALATION__CHECK_SECONDS="6", AGENT__PROMPTS_DIR=short_prompts)
    assert code == 1
    told = states(rehearsal)
    assert [name for name, state in told.items() if state == "failed"] == [f"e2e-bye/{failing}"]
    assert {name for name, state in told.items() if state == "passed"} == {f"e2e-bye/{name}" for name in passing}
    why = next(step["why"] for step in rehearsal["steps"] if step["state"] == "failed")
    assert sentence in why
    rest = [step for step in rehearsal["steps"] if step["state"] == "skipped"]
    assert all(step["why"].startswith("Not reached: ") for step in rest)


def test_a_partner_with_pcma_alone_fails_the_connectivity_test_and_is_told_of_the_codec(tmp_path: Path):
    code, rehearsal, _ = rehearse(tmp_path, "--part", "connectivity", "--region", "tokyo", "--mistake", "pcma-only")
    assert code == 1
    (step,) = rehearsal["steps"]
    assert step["state"] == "failed"
    assert "488" in step["why"]
    assert "SBC-SDP-006: No common codec: named are PCMA/8000" in step["why"]


def test_an_instance_that_runs_elsewhere_is_rehearsed_against_by_its_address(tmp_path: Path, short_prompts: str):
    with serving(tmp_path, **PATIENT, AGENT__PROMPTS_DIR=short_prompts) as server:
        api = f"http://127.0.0.1:{server.http_port}"
        options = ("--region", "sydney", "--escalation", "invite-back", "--api", api)
        code, rehearsal, _ = rehearse(tmp_path, *options, against=f"tls:127.0.0.1:{server.sip_port}")
        assert code == 0, [(step["id"], step["why"]) for step in rehearsal["steps"] if step["state"] != "passed"]
        assert server.get(f"/api/v1/rehearsals/{rehearsal['id']}")["state"] == "passed"


@pytest.mark.parametrize(
    "target", ["tls:gateway.afvsip.thb01.uengage1.sfdc-yzvdd4.salesforce-ccaas.com:5061", "nowhere", "tls:127.0.0.1:0x1"]
)
def test_production_and_what_is_no_address_are_refused_before_anything_is_dialled(tmp_path: Path, target: str):
    command = [sys.executable, "-m", "sbc_sim", "rehearse", "--against", target]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert ("production" in done.stderr) is ("salesforce" in target)
