"""Regions with a running simulator: which one a call gets, what holds there, and a certificate that is rotated while a call is up."""

from __future__ import annotations

import json
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from sbc_sim.cli import main
from sbc_sim.commands.uui import ECHO_PAYLOAD
from tests.end_to_end import raw_sip
from tests.end_to_end.rtp_caller import calling
from tests.end_to_end.server import Server, serving

UUI = f"{ECHO_PAYLOAD.encode().hex()};encoding=hex"
FRANKFURT = "gateway.afvsip.thb01.uengage1.sfdc-yzvdd4.salesforce-ccaas.com"
LONDON = "gateway.afvsip.thb01.uengage1.sfdc-5pakla.salesforce-ccaas.com"
TOKYO = "gateway.afvsip.thb01.uengage1.sfdc-mchho0.salesforce-ccaas.com"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    regions = {
        "london": {"listen": "127.0.0.1:0", "advertised": "192.0.2.44:5099", "media_advertised": "192.0.2.45"},
        "tokyo": {"allow_from": ["198.51.100.0/24"]},
        "sydney": {"numbers": ["1000"]},
    }
    partners = {
        "acme": {"label": "Acme", "by_region": {"mumbai": {"signalling": ["198.51.100.7"]}}, "return_uri": "sips:back@acme.example"}
    }
    with serving(
        tmp_path_factory.mktemp("regions"),
        REGIONS=json.dumps(regions),
        PARTNERS=json.dumps(partners),
        SIP__DEFAULT_REGION="us-east",
        SIP__ALLOW_FROM="127.0.0.0/8",
    ) as running:
        yield running


@contextmanager
def invited(server: Server, name: str, port: int = 0, sni: str = "localhost", uri: str = "sip:5550100@localhost") -> Iterator[Any]:
    """The final answer to an INVITE, and the call that the simulator made of it."""
    with raw_sip.connected(port or server.sip_port, server.ca, sni) as raw:
        raw.send(raw_sip.invite(name, UUI, uri=uri))
        answer = raw.final()
        assert answer is not None
        state = "answered" if answer.status == 200 else "rejected"
        yield answer, server.wait_for_call(f"{name}@partner.example", state)


def place(server: Server, name: str, **more: Any) -> tuple[str | None, str, int]:
    with invited(server, name, **more) as (answer, call):
        return call["region"], server.get(f"/api/v1/calls/{call['id']}")["chosenBy"], answer.status


def test_sni_gets_the_regions_certificate_and_the_region(server: Server) -> None:
    with raw_sip.connected(server.sip_port, server.ca, FRANKFURT) as raw:  # checks the name
        assert FRANKFURT in str(x509.load_der_x509_certificate(raw.certificate).subject)
    assert place(server, "by-sni", sni=FRANKFURT) == ("frankfurt", "SNI", 200)


def test_the_request_uri_names_the_region_when_sni_does_not(server: Server) -> None:
    assert place(server, "by-uri", uri=f"sip:5550100@{FRANKFURT}:5061") == ("frankfurt", "Request-URI", 200)


def test_a_call_that_names_no_region_gets_the_default_one(server: Server) -> None:
    assert place(server, "by-default") == ("us-east", "default", 200)


def test_a_listener_of_its_own_decides_before_every_name_and_has_its_own_addresses(server: Server) -> None:
    port = server.region_ports["london"]
    with invited(server, "by-listener", port=port, sni=LONDON, uri=f"sip:5550100@{FRANKFURT}") as (answer, call):
        assert (call["region"], answer.status) == ("london", 200)
        assert "<sip:192.0.2.44:5099;transport=tls>" in (answer.header("Contact") or "")
        assert re.search(rb"c=IN IP4 192\.0\.2\.45\r\n", answer.body)


def test_the_allow_list_of_a_region_refuses_what_the_common_one_allows_and_names_itself(server: Server) -> None:
    with invited(server, "off-list", sni=TOKYO) as (answer, call):
        assert answer.status == 403
        assert "SBC-NET-001" in (answer.header("Warning") or "")
        findings = server.get(f"/api/v1/calls/{call['id']}/verdict")["findings"]
    finding = next(one for one in findings if one["rule"] == "SBC-NET-001")
    assert finding["detail"] == "Source 127.0.0.1 is in none of the allowed networks of regions.tokyo.allow_from: 198.51.100.0/24."


def test_what_a_partner_has_said_of_one_region_holds_there(server: Server) -> None:
    _, _, status = place(server, "elsewhere", uri="sip:5550100@gateway.afvsip.thb01.uengage1.sfdc-y37hzm.salesforce-ccaas.com")
    assert status == 403


def test_a_region_serves_its_own_numbers_alone(server: Server) -> None:
    sydney = "gateway.afvsip.thb01.uengage1.sfdc-vwfla6.salesforce-ccaas.com"
    assert place(server, "unserved", uri=f"sip:5550100@{sydney}") == ("sydney", "Request-URI", 404)
    assert place(server, "served", uri=f"sip:1000@{sydney}") == ("sydney", "Request-URI", 200)


def test_options_are_judged_by_the_region_that_they_name(server: Server) -> None:
    with raw_sip.connected(server.sip_port, server.ca) as raw:
        for name, host, status in (("o1", TOKYO, 403), ("o2", FRANKFURT, 200)):
            raw.send(raw_sip.request("OPTIONS", name, uri=f"sip:{host}"))
            answer = raw.final()
            assert answer is not None
            assert answer.status == status


def test_calls_are_counted_and_listed_by_region(server: Server) -> None:
    place(server, "counted", sni=FRANKFURT)
    listed = server.get("/api/v1/calls?region=frankfurt")["calls"]
    assert "counted@partner.example" in [call["sipCallId"] for call in listed]
    assert {call["region"] for call in listed} == {"frankfurt"}
    assert {call["partner"] for call in listed} == {"acme"}


def test_regions_and_partners_are_told_over_http(server: Server) -> None:
    regions = {region["name"]: region for region in server.get("/api/v1/regions")["regions"]}
    assert len(regions) == 10
    assert regions["frankfurt"]["host"] == FRANKFURT
    assert regions["frankfurt"]["foundBy"] == ["SNI", "Request-URI"]
    assert regions["london"]["listen"] == f"127.0.0.1:{server.region_ports['london']}"
    assert regions["london"]["address"] == "192.0.2.44:5099"
    assert regions["london"]["media"]["advertised"] == "192.0.2.45"
    assert regions["us-east"]["default"]
    assert regions["tokyo"]["allowFrom"] == ["198.51.100.0/24"]
    assert regions["frankfurt"]["allowFrom"] == ["127.0.0.0/8"]
    (acme,) = server.get("/api/v1/partners")["partners"]
    assert (acme["label"], acme["returnUri"], len(acme["regions"])) == ("Acme", "sips:back@acme.example", 10)
    assert acme["byRegion"] == {"mumbai": {"signalling": ["198.51.100.7/32"]}}


# --- rotation ----------------------------------------------------------------------------------------------------------


def shown(server: Server, name: str = "localhost", ca: str | None = None) -> x509.Certificate:
    """The certificate that a new connection sees, checked against the CA (of the server, or another)."""
    context = ssl.create_default_context(cafile=str(server.ca)) if ca is None else ssl.create_default_context(cadata=ca)
    with socket.create_connection(("127.0.0.1", server.sip_port), 10) as plain, context.wrap_socket(plain, server_hostname=name) as tls:
        return x509.load_der_x509_certificate(tls.getpeercert(binary_form=True) or b"")


@pytest.fixture(scope="module")
def _rotated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("rotated")) as running:
        yield running


@pytest.fixture
def rotating(_rotated: Server) -> Iterator[Server]:
    yield _rotated
    _rotated.post("/api/v1/tls/rotate", {"how": "original"})


def test_a_call_goes_on_while_the_certificate_is_rotated_and_new_connections_see_the_new_one(rotating: Server) -> None:
    before = shown(rotating)
    with calling(rotating.sip_port, rotating.ca, "rotated") as caller:
        for number in range(20):
            caller.send(number)
        rotated = rotating.post("/api/v1/tls/rotate", {"how": "new-leaf"})
        for number in range(20, 40):
            caller.send(number)  # waits for its echo
        after = shown(rotating)
        assert after.serial_number != before.serial_number
        assert after.fingerprint(SHA256()).hex(":").upper() == rotated["fingerprint"]
    call = rotating.wait_for_call("rotated@partner.example", "ended")
    assert call["endedBy"] == "partner"
    assert call["media"]["echoedPackets"] == 40
    told = rotating.get("/api/v1/tls")["certificates"][0]
    assert (told["how"], told["fingerprint"]) == ("new-leaf", rotated["fingerprint"])
    assert rotating.get("/api/v1/info")["tls"]["shown"] == "new-leaf"
    rotating.post("/api/v1/tls/rotate", {"how": "original"})
    assert shown(rotating) == before


def test_a_new_ca_is_refused_by_who_trusts_the_old_one_and_accepted_with_the_one_in_the_answer(rotating: Server) -> None:
    rotated = rotating.post("/api/v1/tls/rotate", {"how": "new CA"})
    with pytest.raises(ssl.SSLCertVerificationError):
        shown(rotating)
    assert shown(rotating, ca=rotated["caPem"]).issuer.rfc4514_string() == rotated["issuer"]


@pytest.mark.parametrize(
    ("how", "complaint"),
    [
        ("expired", "expired"),
        ("wrong-name", "Hostname mismatch"),
        ("self_signed", "self-signed"),
        ("Missing Intermediate", "unable to get"),
    ],
)
def test_a_careful_partner_refuses_each_flawed_certificate(rotating: Server, how: str, complaint: str) -> None:
    rotating.post("/api/v1/tls/rotate", {"how": how})
    with pytest.raises(ssl.SSLCertVerificationError) as caught:
        shown(rotating)
    assert complaint.lower().replace("-", " ") in str(caught.value).lower().replace("-", " ")


def test_one_region_can_be_rotated_alone_and_each_name_keeps_its_own_certificate(rotating: Server) -> None:
    frankfurt, london, common = shown(rotating, FRANKFURT), shown(rotating, LONDON), shown(rotating)
    rotated = rotating.post("/api/v1/tls/rotate", {"how": "new-leaf", "region": "frankfurt"})
    assert (rotated["region"], rotated["host"]) == ("frankfurt", FRANKFURT)
    assert shown(rotating, FRANKFURT) != frankfurt
    assert shown(rotating, LONDON).public_key() == london.public_key()
    assert shown(rotating) == common


def test_a_ticket_from_before_the_rotation_does_not_hide_the_new_chain(rotating: Server) -> None:
    context = ssl.create_default_context(cafile=str(rotating.ca))
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    def connect(session: ssl.SSLSession | None = None) -> tuple[ssl.SSLSession | None, bool | None]:
        plain = socket.create_connection(("127.0.0.1", rotating.sip_port), 10)
        with plain, context.wrap_socket(plain, server_hostname="localhost", session=session) as tls:
            return tls.session, tls.session_reused

    session, _ = connect()
    assert connect(session)[1] is True
    rotating.post("/api/v1/tls/rotate", {"how": "new-leaf"})
    assert connect(session)[1] is False


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ({"how": "sideways"}, "new-ca, expired"),
        ({"how": "new-leaf", "region": "atlantis"}, "there is no region 'atlantis'"),
        ({"how": 5}, "how"),
    ],
)
def test_a_rotation_that_means_nothing_is_refused_with_what_there_is(rotating: Server, body: dict[str, Any], part: str) -> None:
    with pytest.raises(AssertionError, match="400") as caught:
        rotating.post("/api/v1/tls/rotate", body)
    assert part in str(caught.value)


def test_the_command_rotates_tells_what_is_shown_and_goes_back(rotating: Server, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*words: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main(["tls", "rotate", *words, "--api", f"http://127.0.0.1:{rotating.http_port}"])
        assert ended.value.code in (0, 2)
        said = capsys.readouterr()
        return said.out + said.err

    assert "how          expired, since 20" in run("expired", "--region", "frankfurt")
    assert f"shown to     frankfurt ({FRANKFURT})" in run()
    assert "-----BEGIN CERTIFICATE-----" in run("new-ca")
    assert json.loads(run("original", "--json"))["how"] == "original"
    assert "use one of original, new-leaf" in run("sideways")
