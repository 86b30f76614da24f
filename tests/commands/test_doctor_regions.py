"""What doctor says of regions."""

from __future__ import annotations

import socket
from pathlib import Path

from sbc_sim.commands.examination import check_ports, check_regions
from sbc_sim.settings import Settings, load


def settings(**flags: str) -> Settings:
    return load({key.replace("__", "."): value for key, value in flags.items()}, {}, None, Path("/nonexistent/config.yaml")).settings


def test_all_ten_share_the_listener_without_any_settings() -> None:
    check = check_regions(settings())
    assert (check.status, check.cure) == ("pass", "")
    assert check.seen == "10 share 0.0.0.0:5061 and are told apart by SNI, Request-URI host or source network"


def test_listeners_of_their_own_and_the_default_region_are_named() -> None:
    seen = check_regions(settings(regions__london__listen="0.0.0.0:5063", sip__default_region="tokyo")).seen
    assert "9 share" in seen
    assert seen.endswith("; london on 0.0.0.0:5063; calls that name none belong to tokyo")


def test_regions_that_are_switched_off_are_not_there() -> None:
    off = {f"regions__{name}__enabled": "false" for name in settings().regions}
    assert check_regions(settings(**off)).seen.startswith("none: ")


def test_a_port_of_a_region_that_is_taken_fails_with_its_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as media:
        media.bind(("127.0.0.1", 0))
        port, udp = taken.getsockname()[1], media.getsockname()[1] // 2 * 2
        own = settings(
            sip__listen="127.0.0.1:0",
            http__listen="127.0.0.1:0",
            media__listen="127.0.0.1",
            media__ports="0",
            regions__london__listen=f"127.0.0.1:{port}",
            regions__london__media_ports=f"{udp}-{udp + 1}",
        )
        checks = {check.name: check for check in check_ports(own)}
    assert checks["port of london"].status == "fail"
    assert "set regions.london.listen to another port" in checks["port of london"].cure
    assert checks["media of london"].status == "fail"
    assert "regions.london.media_ports" in checks["media of london"].cure
