"""Settings that are maps of names, and what the settings file is told about its mistakes."""

import json

import pytest

from sbc_sim.calls.region import PUBLIC_REGIONS
from sbc_sim.cli import main
from sbc_sim.settings import Endpoint, PortRange, SettingsError, load


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "config.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def loaded(flags=None, environment=None, file=None, missing="/nonexistent/config.yaml"):
    from pathlib import Path

    return load(flags or {}, environment or {}, file, Path(missing))


def refusal(**sources):
    with pytest.raises(SettingsError) as caught:
        loaded(**sources)
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


def test_the_ten_published_regions_are_there_without_any_settings():
    regions = loaded().settings.regions
    assert [(name, region.label) for name, region in regions.items()] == [(name, label) for name, label, _ in PUBLIC_REGIONS]
    assert regions["frankfurt"].host == "gateway.afvsip.thb01.uengage1.sfdc-yzvdd4.salesforce-ccaas.com"
    assert all(region.enabled and region.listen is None for region in regions.values())


def test_what_is_set_of_a_published_region_comes_on_top_of_what_is_published(write):
    file = write("regions:\n  frankfurt:\n    listen: 0.0.0.0:5062\n    numbers: [+15550100, 0049, 1000]\n")
    result = loaded(file=file)
    frankfurt = result.settings.regions["frankfurt"]
    assert (frankfurt.listen, frankfurt.label) == (Endpoint("0.0.0.0", 5062), "FRANKFURT")
    assert frankfurt.numbers == ("+15550100", "0049", "1000")
    assert len(result.settings.regions) == 10
    assert result.origins["regions.frankfurt.listen"] == f"file {file}, line 3"


def test_file_environment_and_flags_meet_in_one_region(write):
    result = loaded(
        {"regions.us-west.media_ports": "32000-32009"},
        {"SBC_SIM_REGIONS__US_WEST__LISTEN": "127.0.0.1:0", "SBC_SIM_REGIONS": '{"us-west": {"listen": "127.0.0.1:1", "numbers": ["7"]}}'},
        write("regions: {us-west: {label: West, numbers: '1,2'}}"),
    )
    west = result.settings.regions["us-west"]
    assert (west.label, west.numbers, west.listen, west.media_ports) == ("West", ("7",), Endpoint("127.0.0.1", 0), PortRange(32000, 32009))
    assert result.origins["regions.us-west.numbers"] == "environment SBC_SIM_REGIONS"
    assert result.origins["regions.us-west.listen"] == "environment SBC_SIM_REGIONS__US_WEST__LISTEN"
    assert result.origins["regions.us-west.media_ports"] == "flag --set regions.us-west.media_ports"


def test_partners_with_what_differs_by_region_can_be_written_as_json_in_one_variable():
    partners = {
        "acme": {
            "label": "Acme Contact Centre",
            "signalling": ["192.0.2.0/24"],
            "regions": ["frankfurt", "london"],
            "return_uri": "sips:+15550100@sbc.acme.example:5061",
            "by_region": {"london": {"signalling": "198.51.100.7", "media_ports": "10000-20000"}},
        }
    }
    acme = loaded(environment={"SBC_SIM_PARTNERS": json.dumps(partners)}).settings.partners["acme"]
    assert (acme.signalling, acme.signalling_ports, acme.regions) == (("192.0.2.0/24",), "", ("frankfurt", "london"))
    assert acme.by_region["london"].signalling == ("198.51.100.7/32",)
    assert acme.by_region["london"].media_ports == "10000-20000"


def test_one_member_deep_in_a_partner_can_be_set_by_a_variable_and_by_a_flag():
    environment = {"SBC_SIM_PARTNERS__BIG_ONE__BY_REGION__US_EAST__RETURN_URI": "sip:a@b.example"}
    partner = loaded({"partners.big-one.by_region.london.media_ports": "4000"}, environment).settings.partners["big-one"]
    assert partner.by_region["us-east"].return_uri == "sip:a@b.example"
    assert partner.by_region["london"].media_ports == "4000"


def test_a_partner_with_nothing_but_a_name_is_there(write):
    assert loaded(file=write("partners: {acme: }")).settings.partners["acme"].signalling == ()


def test_scenarios_and_faults_are_kept_as_they_are_written(write):
    text = "scenarios:\n  mine: talk.yaml\n  short: {steps: [{say: hello, wait: 1.5, again: true, digit: '1', to: 0100}]}\n"
    settings = loaded(file=write(text + "faults: {lossy: {type: loss, value: 0.05, scope: {number: +1555}}}")).settings
    assert settings.scenarios["mine"] == "talk.yaml"
    assert settings.scenarios["short"] == {"steps": [{"say": "hello", "wait": 1.5, "again": True, "digit": "1", "to": "0100"}]}
    assert settings.faults["lossy"] == {"type": "loss", "value": 0.05, "scope": {"number": "+1555"}}


def test_faults_and_scenarios_can_come_by_variable_and_flag():
    environment = {"SBC_SIM_FAULTS__SLOW__TYPE": "delay", "SBC_SIM_FAULTS__SLOW__VALUE": "20", "SBC_SIM_SCENARIOS__TALK": "talk.yaml"}
    settings = loaded({"faults.slow.value": "30", "scenarios.other": '{"steps": []}'}, environment).settings
    assert settings.faults["slow"] == {"type": "delay", "value": 30}
    assert settings.scenarios == {"talk": "talk.yaml", "other": {"steps": []}}


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        (
            "sip: {}\nregions:\n  frankfurt:\n    listn: 1",
            4,
            "regions.frankfurt.listn is not known; the nearest setting is regions.frankfurt.listen",
        ),
        (
            "partners:\n  acme:\n    signaling: []",
            3,
            "partners.acme.signaling is not known; the nearest setting is partners.acme.signalling",
        ),
        (
            "partners:\n  acme:\n    by_region:\n      london:\n        x: 1",
            5,
            "partners.acme.by_region.london.x is not known; the nearest setting is ",
        ),
        ("region: {}", 1, "region is not known; the nearest setting is regions"),
        ("uui:\n  limit: 3\n  mising: warn", 3, "uui.mising is not known; the nearest setting is uui.missing"),
        ("regions: [a]", 1, "regions must be a mapping of names to values, not a list"),
        ("regions:\n  frankfurt: yes", 2, "regions.frankfurt must be a mapping of names to values, not 'yes'"),
        ("faults:\n  x: loss", 2, "faults.x must be a mapping of names to values, not 'loss'"),
        ("regions:\n  Frankfurt: {}", 2, "regions.Frankfurt cannot be a name"),
        ("sip: &a\n  users: []\nuui: *a", 3, "the alias *a: write out what it stands for"),
        ("regions: &a\n  frankfurt: *a", 2, "the alias *a"),
        ("sip:\n  users: []\nsip: {}", 3, "'sip' stands here a second time; it was in line 1 already"),
        ("sip:\n  listen: !!python/object:os.system ls", 2, "the tag "),
        ("sip: {}\n---\nuui: {}", 2, "a second document"),
        ("sip:\n\tlisten: 1", 2, "not YAML"),
        ("a: " + "[" * 5000, 1, "nested deeper than 32 levels"),
        ("? [a]\n: 1", 1, "a list as a name"),
    ],
)
def test_a_mistake_in_the_file_is_told_with_file_and_line(write, text, line, reason):
    file = write(text)
    sentence = refusal(file=file)
    assert str(file) in sentence
    assert f"line {line}: " in sentence
    assert reason in sentence


@pytest.mark.parametrize(
    ("text", "key", "line", "reason"),
    [
        ("regions:\n  london:\n    media_ports: 9-1", "regions.london.media_ports", 3, "'9-1' is not a port range"),
        ("regions:\n  london:\n    allow_from: [10.0.0.0/8, all]", "regions.london.allow_from", 3, "'all' does not appear to be"),
        ("regions:\n  london:\n    listen: [1]", "regions.london.listen", 3, "is not HOST:PORT"),
        ("regions:\n  london:\n    host: a b", "regions.london.host", 3, "'a b' is not a host name"),
        ("regions:\n  london:\n    cert_file: a.pem", "regions.london", 3, "cert_file and key_file belong together"),
        ("regions:\n  frankfrt:\n    label: F", "regions.frankfrt", 3, "no call could reach it: give it a host, listen or allow_from"),
        ("regions:\n  default:\n    host: a.example", "regions.default", 3, "cannot be called default"),
        ("regions:\n  london:\n    advertised: a.example", "regions.london.advertised", 3, "set regions.london.listen too"),
        ("media: {ports: 31000-31009}\nregions:\n  london: {media_ports: 31008-31011}", "regions.london.media_ports", 3, "overlap"),
        ("partners:\n  acme:\n    return_uri: tel:1", "partners.acme.return_uri", 3, "is not a SIP URI"),
        ("partners:\n  acme:\n    signalling_ports: 0", "partners.acme.signalling_ports", 3, "names port 0"),
        ("partners:\n  acme:\n    regions: [londn]", "partners.acme.regions", 3, "there is no region 'londn'; the nearest is london"),
        ("partners:\n  acme:\n    by_region: {x: }", "partners.acme.by_region.x", 3, "there is no region 'x'"),
        ("sip:\n  default_region: pariss\nregions: {paris: {host: p.example}}", "sip.default_region", 2, "the nearest is paris"),
        ("regions:\n  london: {enabled: false}\nsip: {default_region: london}", "sip.default_region", 3, "there is no region 'london'"),
        ("scenarios:\n  mine: [1]", "scenarios.mine", 2, "a scenario is a mapping, or the name of a file"),
        ("uui:\n  limit: -1", "uui.limit", 2, "greater than or equal to 1"),
    ],
)
def test_a_value_that_cannot_be_used_is_told_with_key_file_line_and_reason(write, text, key, line, reason):
    file = write(text)
    sentence = refusal(file=file)
    assert sentence.startswith(f"{key} (file {file}, line {line}):")
    assert reason in sentence


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("SBC_SIM_PARTNERS", "{", "not YAML"),
        ("SBC_SIM_PARTNERS", "acme", "partners must be a mapping of names to values, not 'acme'"),
        ("SBC_SIM_PARTNERS__ACME", "[]", "partners.acme must be a mapping"),
        ("SBC_SIM_PARTNERS__ACME__LABL", "x", "partners.acme.labl is not known; the nearest setting is partners.acme.label"),
        ("SBC_SIM_REGIONS__X__Y__Z", "1", "regions.x.y is not known"),
        ("SBC_SIM_REGION__X", "1", "is not known; the nearest setting is "),
        ("SBC_SIM_PARTNERS", "a: &x {}\nb: *x", "the alias *x"),
        ("SBC_SIM_REGIONS", '{"london": {}, "london": {}}', "stands here a second time"),
        ("SBC_SIM_FAULTS", "\udcff", "not Unicode text"),
    ],
)
def test_a_mistake_in_the_environment_is_told_with_its_variable(variable, value, reason):
    sentence = refusal(environment={variable: value})
    assert variable in sentence
    assert reason in sentence


def test_billions_of_laughs_are_over_at_the_first_alias(write):
    text = "a0: &a0 [lol, lol]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}, *a{n - 1}]\n" for n in range(1, 50))
    assert "line 2: the alias *a0" in refusal(file=write(text))


def test_a_settings_file_that_is_longer_than_anybody_writes_is_refused(write):
    assert "longer than" in refusal(file=write("# " + "x" * 300_000))


def test_a_binary_file_is_refused_as_no_settings(tmp_path):
    (tmp_path / "config.yaml").write_bytes(b"\xff\xfe\x00binary")
    assert "not UTF-8 text" in refusal(file=tmp_path / "config.yaml")


def test_config_show_tells_what_is_set_of_maps_with_its_origin(capsys, monkeypatch):
    monkeypatch.setenv("SBC_SIM_PARTNERS__ACME__LABEL", "Acme")
    with pytest.raises(SystemExit) as ended:
        main(["config", "show", "--changed", "--json", "--set", "regions.london.listen=127.0.0.1:0"])
    assert ended.value.code == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows["regions.london.listen"] == {"value": "127.0.0.1:0", "origin": "flag --set regions.london.listen"}
    assert rows["partners.acme.label"] == {"value": "Acme", "origin": "environment SBC_SIM_PARTNERS__ACME__LABEL"}


def test_config_show_as_text_writes_lists_mappings_and_text_of_maps(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["config", "show", "--changed", "--set", "partners.acme.signalling=10.0.0.0/8,192.0.2.1", "--set", "scenarios.x=f.yaml"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.splitlines() == [
        "partners.acme.signalling  10.0.0.0/8,192.0.2.1/32  flag --set partners.acme.signalling",
        "scenarios.x               f.yaml                   flag --set scenarios.x",
    ]


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("faults:\n  x:\n    type: bussy", 3, "faults.x.type: There is no fault of the type 'bussy'. Did you mean busy?"),
        ("faults:\n  x: {type: busy}\n  y:\n    type: loss\n    value: abc", 5, "faults.y.value: value (fraction of the packets"),
        ("faults:\n  x:\n    typ: busy", 3, "faults.x.typ: 'typ' means nothing here. Did you mean type?"),
        (
            "faults:\n  x:\n    type: busy\n    scope: {region: nowhere}",
            4,
            "faults.x.scope.region: there is no region 'nowhere'; there is us-west",
        ),
        (
            "faults:\n  x: {type: busy, scope: {partner: nobody}}",
            2,
            "faults.x.scope.partner: there is no partner 'nobody'; there is partner",
        ),
        (
            "sip: {listen: '0.0.0.0:5061'}\nregions:\n  tokyo: {listen: '0.0.0.0:5061'}",
            3,
            "regions.tokyo.listen: 0.0.0.0:5061 is sip.listen too",
        ),
        (
            "regions:\n  london: {listen: '0.0.0.0:7001'}\n  tokyo: {listen: '0.0.0.0:7001'}",
            3,
            "regions.tokyo.listen: 0.0.0.0:7001 is regions.london.listen too",
        ),
        ("agent:\n  by_region: {tokio: support}", 2, "agent.by_region: there is no region 'tokio'; the nearest is tokyo"),
        ("partners: {acme: }\nagent:\n  by_partner: {zen: support}", 3, "agent.by_partner: there is no partner 'zen'; there is acme"),
        ("partners:\n  acme:\n    org_id: 12", 3, "partners.acme.org_id: '12' is no id of an org"),
        (
            "partners:\n  a: {signalling: 192.0.2.0/28}\n  b:\n    signalling: 192.0.2.0/28",
            4,
            "partners.b.signalling: 192.0.2.0/28 is in partners.a.signalling too",
        ),
        ("regions:\n  frankfurtt: {listen: '127.0.0.1:5062'}", 2, "regions.frankfurtt: is frankfurt meant"),
    ],
)
def test_what_is_meant_for_nobody_or_would_be_taken_twice_is_refused_with_its_line(write, text, line, reason):
    file = write(text)
    sentence = refusal(file=file)
    assert f" (file {file}, line {line})" in sentence
    assert sentence.replace(f" (file {file}, line {line})", "").startswith(reason)


def test_config_check_warns_of_a_network_within_that_of_another_partner_and_says_whose_calls_come_from_there(write, capsys):
    file = write("partners: {a: {signalling: 192.0.2.0/24}, b: {signalling: 192.0.2.16/28}, c: {signalling: '2001:db8::/32'}}")
    with pytest.raises(SystemExit) as ended:
        main(["config", "check", "--config", str(file)])
    assert ended.value.code in (0, None)
    warnings = [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning: ")]
    told = "partners.b.signalling: 192.0.2.16/28 lies in 192.0.2.0/24 of partners.a.signalling; calls from there are those of b"
    assert warnings == [f"warning: {told}"]


def test_listeners_of_any_free_port_and_a_narrower_network_of_another_partner_are_fine(write):
    text = "sip: {listen: '127.0.0.1:0'}\nregions: {tokyo: {listen: '127.0.0.1:0'}, london: {listen: '127.0.0.1:0'}}\n"
    assert loaded(file=write(text + "partners: {a: {signalling: 192.0.2.0/24}, b: {signalling: 192.0.2.0/28}}"))
