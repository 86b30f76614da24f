"""Kamailio stands in front as a TLS proxy: the route that it records is used by both sides to the end of the call."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.end_to_end.clients import kamailio
from tests.end_to_end.clients.audio import compare
from tests.end_to_end.clients.baresip_debian import DebianBaresip
from tests.end_to_end.clients.baresip_wheel import WheelBaresip
from tests.end_to_end.clients.call import CallWish, RealCall, RealClient, calling
from tests.end_to_end.clients.kamailio import Proxy
from tests.end_to_end.conftest import Saying, require
from tests.end_to_end.server import Server

pytestmark = [pytest.mark.partners, pytest.mark.timeout(240)]


@pytest.fixture(params=[DebianBaresip(), WheelBaresip()], ids=lambda client: client.name)
def client(request: pytest.FixtureRequest) -> RealClient:
    chosen: RealClient = request.param
    require(chosen.name, chosen.missing())
    return chosen


@pytest.fixture
def proxy(authority: trustme.CA, running_server: Server, tmp_path: Path) -> Iterator[Proxy]:
    require(kamailio.NAME, kamailio.missing())
    leaf = authority.issue_cert("127.0.0.1", "localhost")
    leaf.private_key_pem.write_to_path(str(tmp_path / "proxy.key"))
    leaf.cert_chain_pems[0].write_to_path(str(tmp_path / "proxy.pem"))
    authority.cert_pem.write_to_path(str(tmp_path / "proxy-ca.pem"))
    with kamailio.proxying(tmp_path, tmp_path / "proxy.key", tmp_path / "proxy.pem", running_server.ca) as proxy:
        yield proxy


@pytest.fixture
def call(client: RealClient, proxy: Proxy, running_server: Server, saying: Saying, tmp_path: Path) -> Iterator[RealCall]:
    wish = CallWish(client.host, running_server.sip_port, tmp_path / "proxy-ca.pem", saying.wav, proxy=proxy.address)
    with calling(client, wish, tmp_path) as call:
        yield call


def sip_call_id(call: RealCall) -> str:
    return call.conversation.wait_for(r"(?i)^Call-ID: *(\S+)").group(1)


def answer_to_the_invite(call: RealCall) -> str:
    """Header section of the 200 that answered the INVITE, as the client got it."""
    call.wait_answered()
    found = re.search(r"(?ms)^SIP/2\.0 200 [^\n]*\n(?:[^\n]+\n)*?CSeq: \d+ INVITE\n(?:[^\n]+\n)*", call.trace())
    assert found, call.trace()
    return found.group()


def test_the_echo_comes_through_and_the_callers_bye_goes_by_the_proxy(
    call: RealCall, proxy: Proxy, saying: Saying, running_server: Server
) -> None:
    assert re.search(rf"(?m)^Record-Route: <sip:{re.escape(proxy.address)};[^\n]*lr", answer_to_the_invite(call))
    call.wait_heard(saying.seconds + 1.5)
    call.hang_up()
    proxy.wait_relayed("BYE")

    assert compare(saying.samples, call.heard()).fraction >= 0.8
    told = running_server.wait_for_call(sip_call_id(call), "ended")
    assert told["endedBy"] == "partner"
    assert re.search(rf"(?m)^Route: <sip:{re.escape(proxy.address)};", call.trace())


def test_the_servers_bye_goes_by_the_proxy_with_the_contact_as_it_came(call: RealCall, proxy: Proxy, running_server: Server) -> None:
    call.wait_answered()
    call.wait_heard(0.5)
    standing = running_server.wait_for_call(sip_call_id(call), "answered")
    running_server.post(f"/api/v1/calls/{standing['id']}/hangup")
    call.wait_closed()
    # Kamailio put an unknown parameter (alias) into the Contact, and finds the caller by it: it must come back unchanged.
    proxy.wait_relayed("BYE")
    assert running_server.wait_for_call(sip_call_id(call), "ended")["endedBy"] == "sbc"
