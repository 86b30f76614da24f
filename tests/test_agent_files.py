"""What `config check` and `serve` say of scenarios and prompts in the settings: the setting, its file and line, and the cure."""

import pytest

from sbc_sim.agent_files import check_agents
from sbc_sim.cli import main
from sbc_sim.settings import SettingsError, load

REFER = "steps:\n  a:\n    when:\n      digit 0: escalate refer\n      silence 5 s: end\n"


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("scenarios:\n  mine: nosuch.yaml", 2, "scenarios.mine: the scenario nosuch.yaml cannot be read: No such file or directory"),
        ("scenarios:\n  other:\n    steps: 3", 2, "scenarios.other: line 3, steps: a value where a mapping"),
        ("agent:\n  scenario: suport", 2, "agent.scenario: there is no scenario 'suport', did you mean 'support'?"),
        ("agent:\n  by_region: {tokyo: xyz}", 2, "agent.by_region.tokyo: there is no scenario 'xyz', there is support, escalate"),
        ("agent:\n  prompts_dir: /nowhere/prompts", 2, "agent.prompts_dir: there is no folder /nowhere/prompts"),
        (
            "scenarios:\n  r:\n    steps:\n      b:\n        then: {escalate: refer}",
            2,
            "scenarios.r: line 4, step b: escalate refer needs rules.profile extended",
        ),
    ],
)
def test_a_mistake_of_an_agent_is_told_with_its_setting_file_and_line(tmp_path, text, line, reason):
    file = tmp_path / "config.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        check_agents(load({}, {}, file))
    assert str(caught.value).replace(f" (file {file}, line {line})", "").startswith(reason)
    assert f" (file {file}, line {line}): " in str(caught.value)


@pytest.mark.parametrize(
    "command",
    [["config", "check"], ["serve", "--sip-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--ports-file", "/nowhere/ports"]],
)
def test_config_check_and_serve_refuse_alike_a_scenario_that_refers_in_the_published_profile(tmp_path, command, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "talk.yaml").write_text(REFER, encoding="utf-8")
    (tmp_path / "config.yaml").write_text("scenarios:\n  mine: talk.yaml\n", encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main([*command, "--config", "config.yaml"])
    assert ended.value.code == 2
    said = "scenarios.mine (file config.yaml, line 2): talk.yaml, line 4, step a: escalate refer needs rules.profile extended"
    assert said in capsys.readouterr().err


def test_a_scenario_may_refer_in_the_extended_profile(tmp_path):
    (tmp_path / "talk.yaml").write_text(REFER, encoding="utf-8")
    check_agents(load({"scenarios.mine": str(tmp_path / "talk.yaml"), "rules.profile": "extended"}, {}, None, tmp_path / "none.yaml"))
