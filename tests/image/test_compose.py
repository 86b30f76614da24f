"""compose.yaml and the Dockerfile: what they say fits the settings, and nothing is open beyond this machine unless asked for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from sbc_sim.settings import load
from tests.end_to_end.server import ROOT


def service(**variables: str) -> dict[str, Any]:
    """The service of compose.yaml, with these variables in the environment of whoever starts it."""
    text = (ROOT / "compose.yaml").read_text()
    filled = re.sub(r"\$\{(\w+):-([^}]*)\}", lambda found: variables.get(found[1], found[2]), text)
    assert "${" not in filled
    [(_, found)] = yaml.safe_load(filled)["services"].items()
    return dict(found)


def test_as_it_stands_it_is_open_to_this_machine_alone_and_says_so_to_partners() -> None:
    one = service()
    assert [port for port in one["ports"] if not port.startswith("127.0.0.1:")] == []
    settings = load(environment=one["environment"], default_file=Path("/nowhere")).settings
    assert (settings.sip.advertised, settings.media.advertised) == ("127.0.0.1:5061", "127.0.0.1")


def test_with_an_address_partners_come_in_and_the_page_stays_at_home() -> None:
    one = service(SBC_SIM_ADDRESS="192.0.2.20", SBC_SIM_BIND="0.0.0.0")
    settings = load(environment=one["environment"], default_file=Path("/nowhere")).settings
    assert (settings.sip.advertised, settings.media.advertised) == ("192.0.2.20:5061", "192.0.2.20")
    assert [port for port in one["ports"] if port.startswith("127.0.0.1:")] == ["127.0.0.1:8061:8061"]


def test_media_ports_are_published_one_to_one_and_are_those_of_the_setting() -> None:
    one = service()
    _, outside, inside = one["ports"][2].removesuffix("/udp").split(":")
    assert outside == inside == one["environment"]["SBC_SIM_MEDIA__PORTS"]


def test_it_needs_nothing_that_a_careful_host_would_not_give() -> None:
    one = service()
    assert (one["read_only"], one["cap_drop"], one["security_opt"]) == (True, ["ALL"], ["no-new-privileges:true"])
    assert not {"privileged", "network_mode", "user"} & set(one)


def test_the_variables_of_the_image_are_settings_that_there_are() -> None:
    said = dict(re.findall(r"\b(SBC_SIM_\w+)=(\S+)", (ROOT / "Dockerfile").read_text()))
    assert set(said) >= {"SBC_SIM_HTTP__LISTEN", "SBC_SIM_DATA__DIR"}
    settings = load(environment=said, default_file=Path("/nowhere")).settings
    assert (str(settings.http.listen), str(settings.data.dir)) == ("0.0.0.0:8061", "/data")


@pytest.mark.parametrize("what", ["sbc_sim", "pyproject.toml", "README.md", "LICENSE", "requirements/image.txt"])
def test_what_the_dockerfile_copies_is_let_into_the_build(what: str) -> None:
    assert f"!{what}" in (ROOT / ".dockerignore").read_text().splitlines()
    assert (ROOT / what).exists()
