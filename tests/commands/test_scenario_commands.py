"""sbc-sim scenario check and show."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from sbc_sim.cli import main


@pytest.fixture
def run(capsys, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*words: str, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        with pytest.raises(SystemExit) as ended:
            main(("scenario", *words))
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run


def test_show_lists_the_shipped_scenarios_and_says_which_one_is_set(run):
    code, out, _ = run("show")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["support", "escalate"]
    assert out.splitlines()[0].endswith("(agent.scenario)")
    assert json.loads(run("show", "--json", "--agent-scenario", "escalate")[1])[1]["default"] is True


def test_show_tells_a_scenario_step_by_step(run):
    code, out, _ = run("show", "support")
    assert code == 0
    assert "digit 0         go handover" in out
    assert "silence 6 s     end  (nobody spoke)" in out
    data = json.loads(run("show", "support", "--json")[1])
    assert [step["name"] for step in data["steps"]] == ["greeting", "answer", "still-there", "handover", "goodbye"]
    assert data["steps"][3]["then"] == {"action": "escalate", "why": "the caller asked for a human"}


def test_a_shipped_scenario_is_printed_as_a_file_that_can_be_checked_and_used(run, tmp_path: Path):
    file = tmp_path / "mine.yaml"
    file.write_text(run("show", "support", "--yaml")[1])
    code, out, _ = run("check", str(file))
    assert (code, out) == (0, f"{file}: the scenario mine can be used: 5 steps, 5 with a prompt, it begins with greeting\n")
    assert "digit 0         go handover" in run("show", "mine", "--set", f"scenarios.mine={file}")[1]


def test_check_tells_what_is_wrong_with_line_and_step_and_ends_with_2(run):
    code, out, err = run("check", "-", stdin="steps:\n  a:\n    then: go b\n")
    assert (code, out) == (2, "")
    assert err == "sbc-sim: standard input, line 3, step a: there is no step 'b', there is a\n"
    code, out, _ = run("check", "-", "--json", stdin="steps: 1")
    assert (code, json.loads(out)["ok"]) == (2, False)


def test_check_tells_what_is_odd_and_ends_with_0(run):
    code, out, _ = run("check", "-", stdin="steps:\n  a:\n    when: {speech: end}\n")
    assert code == 0
    assert "warning: standard input, line 2, step a: it waits without a limit of time" in out


def test_a_scenario_that_is_not_there_is_a_usage_error(run):
    assert run("show", "suport") == (2, "", "sbc-sim: there is no scenario 'suport'; there is support, escalate\n")
    assert run("show", "--agent-scenario", "x")[0] == 2
    assert "cannot be read" in run("check", "gone.yaml")[2]
    assert "'mine' does not ship" in run("show", "mine", "--yaml")[2]


def test_config_check_reads_the_scenarios_too(capsys, tmp_path: Path):
    bad = tmp_path / "bad.yaml"
    bad.write_text("steps:\n  a:\n    then: go b\n")
    with pytest.raises(SystemExit) as ended:
        main(("config", "check", "--set", f"scenarios.mine={bad}"))
    assert ended.value.code == 2
    assert "bad.yaml, line 3, step a: there is no step 'b'" in capsys.readouterr().err
