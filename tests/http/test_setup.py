"""How a partner points an SBC here: what is assembled from the values of an instance."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from sbc_sim.http.setup import Instance, setup_data
from sbc_sim.http.snippets import TESTED
from tests.http.conftest import ECHO, SETUP, Lab

VALUE = f"{ECHO.encode().hex()};encoding=hex"
INSTANCE = Instance("sim.example", 5061, "192.0.2.5", 31000, 31019, "ports", ("localhost", "sim.example"), "AB:CD", VALUE, ECHO)
PLATFORMS = ("AudioCodes", "Oracle", "Ribbon", "Cisco CUBE", "Genesys", "Asterisk", "FreeSWITCH", "Kamailio", "OpenSIPS", "baresip")


def snippets(told: dict[str, Any], platform: str) -> str:
    return "\n".join(one["text"] for one in told["snippets"] if one["platform"].startswith(platform))


def test_the_api_gives_what_the_service_assembled(lab: Lab) -> None:
    assert lab.client.get("/api/v1/setup").json() == SETUP


def test_the_ca_is_where_the_setup_says(lab: Lab) -> None:
    assert lab.client.get(f"/{SETUP['ca']['path']}").text.startswith("-----BEGIN CERTIFICATE-----")
    assert setup_data(replace(INSTANCE, ca_fingerprint=None))["ca"] is None


@pytest.mark.parametrize(
    ("start", "end", "mode", "ports"), [(31000, 31019, "ports", "31000-31019"), (31000, 31000, "mux", "31000"), (0, 0, "ports", "any")]
)
def test_the_allow_list_names_ports_as_a_firewall_wants_them(start: int, end: int, mode: str, ports: str) -> None:
    told = setup_data(replace(INSTANCE, media_start=start, media_end=end, media_mode=mode))["allowList"]
    assert [(one["protocol"], one["address"], one["ports"], one["direction"]) for one in told][:3] == [
        ("tcp", "sim.example", "5061", "in"), ("udp", "192.0.2.5", ports, "in"), ("udp", "192.0.2.5", ports, "out"),
    ]  # fmt: skip


def test_an_ipv6_address_stands_in_brackets_where_a_port_follows() -> None:
    told = setup_data(replace(INSTANCE, sip_host="2001:db8::1"))
    assert told["sip"] == {"host": "2001:db8::1", "port": 5061, "uri": "sip:echo@[2001:db8::1]:5061;transport=tls", "transport": "tls"}
    assert "contact=sip:[2001:db8::1]:5061\\;transport=tls" in snippets(told, "Asterisk")


@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_platform_gets_settings_with_the_values_of_this_instance_in_their_places(platform: str) -> None:
    text = snippets(setup_data(replace(INSTANCE, sip_port=15061)), platform)
    assert "sim.example" in text
    assert "HOST" not in text
    assert "HEX" not in text
    assert "$" not in text.replace("${EXTEN}", "").replace("$1", "").replace('+)$"', "").replace("$du", "")
    assert "5061" not in text.replace("15061", "").replace("bind=0.0.0.0:5061", "").replace("other than 5061", "")


@pytest.mark.parametrize(
    ("host", "target"),
    [("sim.example", "dns:sim.example:15061"), ("127.0.0.1", "ipv4:127.0.0.1:15061"), ("2001:db8::1", "ipv6:[2001:db8::1]:15061")],
)
def test_every_text_for_cube_names_the_same_target_whether_the_host_is_a_name_or_an_address(host: str, target: str) -> None:
    text = snippets(setup_data(replace(INSTANCE, sip_host=host, sip_port=15061)), "Cisco CUBE")
    targets = re.findall(r"session target (\S+)", text)
    assert [one.rstrip(".,") for one in targets] == [target, target]


def test_ribbon_is_told_the_destination_and_a_name_with_a_port_of_its_own_one_port_lower() -> None:
    def told(host: str, port: int) -> str:
        return snippets(setup_data(replace(INSTANCE, sip_host=host, sip_port=port)), "Ribbon SBC Core")

    assert "fqdn sim.example fqdnPort 5061" in told("sim.example", 5061)
    assert "fqdn sim.example fqdnPort 15060" in told("sim.example", 15061)
    assert "ipAddress 192.0.2.7 ipPort 15061" in told("192.0.2.7", 15061)
    edge = snippets(setup_data(replace(INSTANCE, sip_host="192.0.2.7", sip_port=15061)), "Ribbon SBC Edge")
    assert "Host:        192.0.2.7\nPort:        15061\n" in edge


def test_only_what_the_test_suite_runs_is_called_tested() -> None:
    told = setup_data(INSTANCE)["snippets"]
    assert {one["platform"] for one in told if one["tested"]} == TESTED == {"baresip", "linphone", "Kamailio"}


def test_the_header_is_escaped_where_a_semicolon_begins_a_comment() -> None:
    assert VALUE.replace(";", "\\;") in snippets(setup_data(INSTANCE), "Asterisk")
    assert f"User-to-User: {VALUE}" in snippets(setup_data(INSTANCE), "Kamailio")
