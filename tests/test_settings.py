"""Settings: sources, their order, what is said about mistakes, and what the core is given."""

import dataclasses
import json
from pathlib import Path

import pytest

from sbc_sim.calls.limits import Limits
from sbc_sim.rules.policy import Policy
from sbc_sim.settings import Endpoint, PortRange, SettingsError, all_settings, load, local_address, shown

NO_FILE = Path("/nonexistent/config.yaml")


def loaded(flags=None, environment=None, file=None):
    return load(flags or {}, environment or {}, file, NO_FILE)


def refusal(flags=None, environment=None, file=None) -> str:
    with pytest.raises(SettingsError) as caught:
        loaded(flags, environment, file)
    return str(caught.value)


@pytest.fixture
def write(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "config.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_without_any_source_the_defaults_of_the_contract_hold():
    settings = loaded().settings
    assert settings.sip.listen == Endpoint("0.0.0.0", 5061)
    assert settings.media.listen == "0.0.0.0"
    assert settings.media.ports == PortRange(31000, 31019)
    assert settings.http.listen == Endpoint("127.0.0.1", 8061)
    assert settings.tls.dir == Path("certs")


def test_the_defaults_give_the_default_policy():
    assert loaded().settings.policy() == Policy()


def test_every_field_of_the_policy_can_be_set():
    changed = {
        "rules.profile": "extended",
        "sip.allow_from": "10.0.0.0/8",
        "sip.off_list": "503",
        "sip.users": "echo,+4930",
        "sip.hosts": "sbc.example",
        "sip.accept_tel": "true",
        "sip.unknown_method": "405",
        "sip.refer": "603",
        "sip.max_forwards_zero": "refuse",
        "sip.delayed_offer": "refuse",
        "sip.reliable_provisional": "false",
        "sip.min_session_expires": "120",
        "sip.caller_number": "ignore",
        "sip.x_headers": "3",
        "sip.x_header_bytes": "99",
        "uui.missing": "warn",
        "uui.content": "require",
        "uui.over_limit": "refuse",
        "uui.limit": "128",
        "uui.limit_scope": "line",
        "uui.several": "first_json",
        "uui.leading_octet": "refuse",
        "uui.encoding": "lenient",
        "uui.purpose": "required",
        "uui.x_header": "yes",
        "uui.max_depth": "3",
        "uui.aliases": "a=callId,b=jwt",
        "uui.echo_org": "org",
        "uui.echo_domain": "domain:1",
        "media.suites": "AEAD_AES_256_GCM",
        "media.crypto_in_avp": "accept",
        "media.ipv6": "1",
        "media.min_ptime": "20",
        "media.max_ptime": "40",
        "media.min_packets": "5",
        "media.max_loss": "0.5",
        "media.max_jitter_ms": "1",
        "media.max_first_packet_ms": "5",
        "media.max_echo_delay_ms": "7",
        "media.auth_failure_limit": "1",
        "media.silence_dbfs": "-70",
        "media.latch": "off",
        "telephony.unknown_call": "warn",
        "telephony.unknown_org": "warn",
        "telephony.uui_token": "refuse",
        "telephony.scrt2_domains": "acme.my.salesforce-scrt.com",
    }
    policy, default = loaded(changed).settings.policy(), Policy()
    same = [f.name for f in dataclasses.fields(Policy) if getattr(policy, f.name) == getattr(default, f.name)]
    assert same == ["source_lists", "served_users_by"], "which come with a region and a partner"
    assert policy.codecs == ("PCMU", "PCMA")
    assert policy.uui_aliases == (("a", "callId"), ("b", "jwt"))
    assert policy.allow_from == ("10.0.0.0/8",)


def test_the_defaults_give_the_default_limits_and_every_one_can_be_set():
    assert loaded().settings.call_limits() == Limits()
    owners = {f.name: "sip" if f.name == "ring_seconds" else "limits" for f in dataclasses.fields(Limits)}
    flags = {f"{owner}.{name}": str(int(getattr(Limits(), name)) + 1) for name, owner in owners.items()}
    changed = loaded({**flags, "media.mode": "mux"}).settings.call_limits()
    assert all(getattr(changed, name) != getattr(Limits(), name) for name in owners)


def test_a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default(write):
    file = write("uui: {limit: 1, max_depth: 2, missing: warn}")
    result = loaded({"uui.limit": "3"}, {"SBC_SIM_UUI__LIMIT": "2", "SBC_SIM_UUI__MAX_DEPTH": "4"}, file)
    assert (result.settings.uui.limit, result.settings.uui.max_depth, result.settings.uui.missing) == (3, 4, "warn")
    assert result.origins["uui.limit"] == "flag --uui-limit"
    assert result.origins["uui.max_depth"] == "environment SBC_SIM_UUI__MAX_DEPTH"
    assert result.origins["uui.missing"] == f"file {file}, line 1"
    assert result.origins["uui.several"] == "default"


def test_the_file_named_by_the_environment_is_read(write):
    assert loaded(environment={"SBC_SIM_CONFIG": str(write("log: {level: debug}"))}).settings.log.level == "debug"


def test_the_file_in_its_usual_place_is_read_when_it_is_there(write):
    file = write("log: {level: error}")
    assert load({}, {}, None, file).settings.log.level == "error"


def test_an_unknown_key_of_the_file_names_the_nearest_valid_one(write):
    assert refusal(file=write("uui: {mising: warn}")).endswith("uui.mising is not known; the nearest setting is uui.missing")


def test_an_unknown_section_of_the_file_names_the_nearest_valid_one(write):
    assert refusal(file=write("limit: {calls: 1}")).endswith("limit is not known; the nearest setting is limits")


def test_an_unknown_variable_with_our_prefix_names_the_nearest_valid_one():
    sentence = refusal(environment={"SBC_SIM_SIP__LISTN": "0.0.0.0:1"})
    assert sentence == "environment variable SBC_SIM_SIP__LISTN is not known; the nearest setting is SBC_SIM_SIP__LISTEN"


@pytest.mark.parametrize("variable", ["SBC_SIM_FOO__BAR", "SBC_SIM_FOO", "SBC_SIM_"])
def test_an_unknown_variable_that_is_like_no_other_names_none(variable):
    nothing = "is not known; no setting is called alike: `sbc-sim config schema` has all of them"
    assert refusal(environment={variable: "1"}) == f"environment variable {variable} {nothing}"


def test_variables_that_kubernetes_makes_for_a_service_called_sbc_sim_are_no_error():
    names = ["SBC_SIM_SERVICE_HOST", "SBC_SIM_SERVICE_PORT_SIP_TLS", "SBC_SIM_PORT", "SBC_SIM_PORT_5061_TCP", "SBC_SIM_HTTP_SERVICE_PORT"]
    assert loaded(environment=dict.fromkeys(names, "tcp://10.0.0.1:5061")).settings == loaded().settings


def test_an_unknown_flag_key_names_the_nearest_valid_one():
    assert refusal({"media.port": "0"}) == "setting media.port is not known; the nearest setting is media.ports"


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("sip.listen", "5061", "'5061' is not HOST:PORT"),
        ("sip.listen", "sbc.example:5061", "'sbc.example' is not an IP address"),
        ("sip.listen", "0.0.0.0:65536", "'65536' is not a port number"),
        ("media.ports", "31019-31000", "is not a port range"),
        ("media.ports", "0-9", "is not a port range"),
        ("sip.advertised", "127.0.0.1:99999", "99999 is no port that partners can call (1 to 65535); left out, it is the one"),
        ("sip.advertised", "192.0.2.7:0", "0 is no port that partners can call"),
        ("sip.advertised", "http://192.0.2.7", "write HOST or HOST:PORT, a host name or an IP address, for example 203.0.113.7:5061"),
        ("sip.advertised", "$(POD_IP):5061", "write HOST or HOST:PORT"),
        ("sip.advertised", "sbc.example:sip", "write HOST or HOST:PORT"),
        ("sip.advertised", "0.0.0.0:5061", "'0.0.0.0' is no address that partners can reach: write that of one machine"),
        ("sip.advertised", "[::]:5061", "'::' is no address that partners can reach"),
        ("sip.advertised", "999.1.1.1", "'999.1.1.1' is not an IP address, for example 203.0.113.7 or [2001:db8::7]:5061"),
        ("media.advertised", "0.0.0.0", "is no address that partners can reach"),
        ("media.advertised", "224.0.0.1", "is no address that partners can reach"),
        ("tls.client_certificates", "require", "input should be 'reject', 'report' or 'ignore'"),
        ("sip.allow_from", "10.0.0.0/8,everyone", "'everyone' does not appear to be an IPv4 or IPv6 network"),
        ("limits.calls", "0", "greater than or equal to 1"),
        ("media.suites", "", "at least 1 item"),
    ],
)
def test_a_bad_value_is_refused_with_its_key_origin_and_reason(key, value, reason):
    variable = all_settings()[key].variable
    sentence = refusal(environment={variable: value})
    assert sentence.startswith(f"{key} (environment {variable}): {value!r}: ")
    assert reason in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize(("ports", "first"), [("41000", 41000), ("41000-41000", 41000), ("41001-41002", 41002)])
def test_media_ports_without_room_for_one_call_are_refused_unless_one_port_is_for_all(ports, first):
    few = "has no room for a call, which takes an even port and the one above it"
    for key in ("media.ports", "regions.london.media_ports"):
        said = refusal({key: ports})
        assert said.startswith(f"{key} (flag ")
        assert f"{few}: make it {first}-{first + 19} say, or set media.mode to mux" in said
        assert loaded({key: ports, "media.mode": "mux"}).settings


@pytest.mark.parametrize("value", ["192.0.2.7", " sbc.example:5061 ", "2001:db8::7", "[2001:db8::7]:5061", "sbc_sim:1", "a.b.c.:65535", ""])
def test_what_partners_are_told_may_be_a_name_or_an_address_with_or_without_a_port(value):
    assert loaded({"sip.advertised": value}).settings.sip.advertised == value.strip()
    assert loaded({"regions.london.listen": "0.0.0.0:5070", "regions.london.advertised": value}).settings


def test_a_certificate_without_its_key_is_refused():
    assert refusal({"tls.cert_file": "a.pem"}) == "tls.cert_file and tls.key_file belong together: set both, or none"


def test_packets_cannot_be_shortest_above_their_longest():
    sentence = refusal({"media.min_ptime": "40", "media.max_ptime": "20"})
    assert sentence == "media.min_ptime (40 ms) is above media.max_ptime (20 ms): no packet would fit"
    assert loaded({"media.min_ptime": "20", "media.max_ptime": "20"}).settings.media.max_ptime == 20


@pytest.mark.parametrize(
    ("text", "part"), [("sip: [1", "line 2: not YAML"), ("- a", "must be a mapping"), ("sip: 5", "sip must be a mapping")]
)
def test_a_file_that_is_no_mapping_of_mappings_is_refused_in_one_line(write, text, part):
    sentence = refusal(file=write(text))
    assert part in sentence
    assert "\n" not in sentence


def test_a_file_that_is_not_there_is_refused_when_it_was_asked_for(tmp_path):
    assert "cannot be read: No such file" in refusal(file=tmp_path / "none.yaml")


def test_a_secret_can_come_from_a_file_and_is_never_shown(tmp_path):
    (tmp_path / "token").write_text("s3cret\n")
    result = loaded(environment={"SBC_SIM_HTTP__TOKEN_FILE": str(tmp_path / "token")})
    assert result.settings.http.token.get_secret_value() == "s3cret"
    assert "s3cret" not in shown(result.settings.value("http.token")) + repr(result) + result.settings.model_dump_json()


def test_a_secret_in_the_environment_beats_its_file(tmp_path):
    (tmp_path / "token").write_text("from-file")
    both = {"SBC_SIM_HTTP__TOKEN_FILE": str(tmp_path / "token"), "SBC_SIM_HTTP__TOKEN": "direct"}
    for environment in (both, dict(reversed(both.items()))):
        assert loaded(environment=environment).settings.http.token.get_secret_value() == "direct"


def test_what_is_no_secret_has_no_file_variable():
    assert "SBC_SIM_SIP__USERS_FILE is not known" in refusal(environment={"SBC_SIM_SIP__USERS_FILE": "x"})


def test_every_setting_is_described_and_its_shown_default_reads_back_as_itself():
    for key, setting in all_settings().items():
        assert setting.description, key
        if setting.default:
            assert loaded({key: setting.default}).settings == loaded().settings, key


def test_the_schema_knows_every_key_and_forbids_others():
    from sbc_sim.settings import Settings
    from sbc_sim.settings_maps import MAPS

    schema = Settings.model_json_schema()
    sections = [s for s in schema["properties"] if s not in MAPS]
    keys = {f"{s}.{k}" for s in sections for k in schema["$defs"][s.capitalize()]["properties"]}
    assert keys == set(all_settings())
    assert set(MAPS) <= set(schema["properties"])
    assert all(part["additionalProperties"] is False for part in [schema, *schema["$defs"].values()])
    json.dumps(schema)


def test_the_local_address_is_not_loopback_unless_nothing_else_is_there():
    assert local_address([(1, "lo")]) == "127.0.0.1"
    assert local_address([(1, "no-such-interface")]) == "127.0.0.1"


def test_an_ipv6_endpoint_is_written_in_brackets():
    assert str(loaded({"sip.listen": "[::1]:0"}).settings.sip.listen) == "[::1]:0"
