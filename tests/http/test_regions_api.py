"""Regions, partners and certificates over HTTP: a real desk on real certificates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import reactor as _reactor

from sbc_sim.addresses import Ports, addresses
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.net import certificates
from sbc_sim.net.listeners import Listeners, Rotation
from sbc_sim.net.shown_certificates import ShownCertificates
from sbc_sim.net.sip_connection import ConnectionLimits
from sbc_sim.net.tls_contexts import ServerTls
from sbc_sim.places import directory_of
from sbc_sim.region_desk import Regional
from sbc_sim.settings import load

reactor: Any = _reactor
NOW = 1_700_000_000.0
FLAGS = {
    "regions.frankfurt.host": "fra.sbc.example",
    "regions.london.listen": "0.0.0.0:5063",
    "regions.london.advertised": "lon.sbc.example",
    "partners.acme.signalling": "192.0.2.0/24",
    "partners.acme.by_region.london.media_ports": "4000-4009",
    "sip.default_region": "frankfurt",
}


class Nobody:
    """Owner of connections that never come."""


@pytest.fixture
def told() -> list[Entry]:
    return []


@pytest.fixture
def desk(tmp_path: Path, told: list[Entry]) -> Regional:
    folder = tmp_path / "tls"
    folder.mkdir()
    settings = load({**FLAGS, "tls.dir": str(folder)}, {}, None, tmp_path / "none").settings
    directory = directory_of(settings)
    hosts = {region.host: region.name for region in directory.regions.values()}
    common = certificates.load(certificates.ensure(folder))
    shown = ShownCertificates(common, (), hosts=hosts, directory=folder)
    owner: Any = Nobody()
    listeners = Listeners(reactor, owner, shown, ServerTls(), ConnectionLimits(), {"london": ("0.0.0.0", 5063)})
    rotation = Rotation(shown, listeners, {name: host for host, name in hosts.items()}, reactor, lambda: NOW)
    rotation.on_entry = told.append
    return Regional(settings, directory, rotation, addresses(settings), lambda: Ports(5061, 8061, 31000, 31019, {"london": 5063}))


@pytest.fixture
def client(make_lab: Callable[..., Any], desk: Regional) -> Any:
    return make_lab(more={"regions": desk}).client


def test_regions_tell_by_what_calls_find_them(client: Any) -> None:
    regions = {one["name"]: one for one in client.get("/api/v1/regions").json()["regions"]}
    assert regions["frankfurt"]["foundBy"] == ["SNI", "Request-URI", "default"]
    assert regions["london"]["foundBy"] == ["listener", "SNI", "Request-URI"]
    assert regions["london"]["address"] == "lon.sbc.example:5063"
    assert (regions["tokyo"]["listen"], regions["tokyo"]["partners"]) == (None, ["acme"])


def test_partners_tell_what_differs_by_region(client: Any) -> None:
    (acme,) = client.get("/api/v1/partners").json()["partners"]
    assert (acme["signalling"], acme["media"], acme["signallingPorts"]) == (["192.0.2.0/24"], ["192.0.2.0/24"], "")
    assert acme["byRegion"] == {"london": {"mediaPorts": "4000-4009"}}


def test_a_rotation_is_answered_journalled_and_told(client: Any, told: list[Entry]) -> None:
    before = client.get("/api/v1/tls").json()["certificates"]
    rotated = client.post("/api/v1/tls/rotate", json={"how": "new leaf", "region": "frankfurt"})
    assert (rotated.status_code, rotated.json()["host"], rotated.json()["how"]) == (200, "fra.sbc.example", "new-leaf")
    now = {one["region"]: one for one in client.get("/api/v1/tls").json()["certificates"]}
    assert now["frankfurt"]["fingerprint"] == rotated.json()["fingerprint"]
    assert now["frankfurt"]["since"] == "2023-11-14T22:13:20.000Z"
    assert now[None]["fingerprint"] == before[0]["fingerprint"]
    (entry,) = told
    assert (entry.kind, entry.call) == (Kind.NOTE, None)
    assert "Certificate rotated (new-leaf) in frankfurt: new connections see O=sbc-sim,CN=fra.sbc.example" in entry.data["text"]


def test_everywhere_means_in_each_region_and_back_means_all_of_it(client: Any) -> None:
    first = {one["region"]: one["fingerprint"] for one in client.get("/api/v1/tls").json()["certificates"]}
    client.post("/api/v1/tls/rotate", json={"how": "expired", "region": "london"})
    client.post("/api/v1/tls/rotate", json={"how": "new-leaf"})
    hows = {one["region"]: one["how"] for one in client.get("/api/v1/tls").json()["certificates"]}
    assert set(hows.values()) == {"new-leaf"}
    client.post("/api/v1/tls/rotate", json={"how": "back"})
    shown = client.get("/api/v1/tls").json()["certificates"]
    assert {one["how"] for one in shown} == {"original"}
    assert next(one["fingerprint"] for one in shown if one["region"] is None) == first[None]


def test_only_a_new_ca_comes_with_the_certificate_to_trust(client: Any) -> None:
    assert "-----BEGIN CERTIFICATE-----" in client.post("/api/v1/tls/rotate", json={"how": "new-ca"}).json()["caPem"]
    assert "caPem" not in client.post("/api/v1/tls/rotate", json={"how": "wrong-name"}).json()


def test_a_ca_that_cannot_be_used_changes_nothing_and_is_told(client: Any, tmp_path: Path) -> None:
    before = client.get("/api/v1/tls").json()
    (tmp_path / "tls" / "ca-key.pem").unlink()
    refused = client.post("/api/v1/tls/rotate", json={"how": "new-leaf"})
    assert (refused.status_code, refused.json()["code"]) == (409, "not-rotated")
    assert "ca-key.pem is not" in refused.json()["detail"]
    assert client.get("/api/v1/tls").json() == before


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ({"how": "sideways"}, "use one of original, new-leaf, new-ca, expired"),
        ({"how": "new-leaf", "region": "atlantis"}, "there is no region 'atlantis': us-west, us-east"),
        ({"how": None}, "how"),
        ({}, "how"),
        ({"region": "frankfurt"}, "how"),
        ({"hwo": "expired"}, "Did you mean how?"),
    ],
)
def test_what_means_nothing_is_refused_with_what_there_is(client: Any, body: dict[str, Any], part: str) -> None:
    refused = client.post("/api/v1/tls/rotate", json=body)
    assert refused.status_code == 400
    assert part in refused.text


def test_where_there_are_no_regions_the_lists_are_empty_and_nothing_is_rotated(lab: Any) -> None:
    assert lab.client.get("/api/v1/regions").json() == {"regions": []}
    assert lab.client.get("/api/v1/partners").json() == {"partners": []}
    assert lab.client.get("/api/v1/tls").json() == {"certificates": []}
    assert lab.client.post("/api/v1/tls/rotate", json={"how": "original"}).json()["code"] == "not-here"
