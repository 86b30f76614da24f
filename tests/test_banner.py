"""What `serve` prints first, where it says something else: in a container, with several workers, without addresses of its own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sbc_sim.addresses import Addresses
from sbc_sim.announcing import unadvertised, unfetched
from sbc_sim.settings import Settings
from sbc_sim.terminal import Banner, banner

DESK = Banner(
    version="1",
    sip="0.0.0.0:5061",
    sip_advertised="192.0.2.20:5061",
    media="0.0.0.0 31000-31019",
    media_advertised="192.0.2.20",
    calls=10,
    mode="two ports for each call",
    http="http://127.0.0.1:8061/",
    token=None,
    ca="/data/certs/ca.pem",
    fingerprint="AB:CD",
    call="sbc-sim call tls:192.0.2.20:5061 --ca ca.pem",
)


def test_in_a_container_no_file_is_named_that_nobody_outside_has() -> None:
    said = banner(replace(DESK, ca_path="api/v1/tls/ca.pem"))
    assert "/data" not in said
    assert "CA to trust  http://127.0.0.1:8061/api/v1/tls/ca.pem  asks for no token; the host and port that you published" in said
    order = [
        said.index(f"  {words}") for words in ("curl -o ca.pem http://127.0.0.1:8061/api/v1/tls/ca.pem", DESK.call, "import ca.pem as")
    ]
    assert order == sorted(order)


def test_on_a_desk_the_file_is_named() -> None:
    said = banner(DESK)
    assert "CA to trust  /data/certs/ca.pem\n" in said
    assert "import /data/certs/ca.pem as a trusted root" in said
    assert "curl" not in said


@pytest.mark.parametrize(("by_connection", "host"), [(False, "192.0.2.20"), (True, "the address that each partner reached")])
def test_workers_say_the_ports_that_their_contacts_name(by_connection: bool, host: str) -> None:
    said = banner(replace(DESK, worker_ports=[5062, 5063], sip_by_connection=by_connection))
    assert f"0.0.0.0:5061  says {host} with the port of the worker, 5062 or 5063, in Contact\n" in said


@pytest.mark.parametrize(
    ("sip", "media", "carry", "desk", "container"),
    [
        (
            "",
            "",
            "Contact and SDP carry",
            "sip.advertised and media.advertised",
            "SIP__ADVERTISED (HOST:PORT) and SBC_SIM_MEDIA__ADVERTISED",
        ),
        ("192.0.2.1", "", "SDP carries", "media.advertised", "MEDIA__ADVERTISED (ADDRESS)"),
        ("", "192.0.2.1", "Contact carries", "sip.advertised", "SIP__ADVERTISED (HOST:PORT)"),
    ],
)
def test_only_the_address_that_nobody_set_is_to_be_set(sip: str, media: str, carry: str, desk: str, container: str) -> None:
    own = Addresses(sip, 0, media, "10.88.0.2")
    assert unadvertised(own, False).startswith(f"{carry} the address by which")
    assert unadvertised(own, False).endswith(f"set {desk}")
    assert f"this is a container, and {carry} its own address, 10.88.0.2, which" in unadvertised(own, True)
    assert f"set SBC_SIM_{container}" in unadvertised(own, True)
    assert unadvertised(own, True).count("SBC_SIM_") == (2 if not sip and not media else 1)


def test_a_replica_whose_captures_no_other_machine_can_fetch_says_so() -> None:
    shared = {"url": "postgresql://sbc_sim@db.example/sbc_sim"}
    assert "http.listen is 127.0.0.1:8061; let it listen" in unfetched(Settings(store=shared))
    assert unfetched(Settings()) == ""
    assert unfetched(Settings(store=shared, http={"listen": "10.0.0.1:8061"})) == ""
    assert unfetched(Settings(store=shared, replicas={"http": "http://10.0.0.1:8061"})) == ""
