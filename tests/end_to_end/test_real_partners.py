"""Real clients place the connectivity test call: what they say comes back as a copy, and either side can end it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.end_to_end.clients.audio import RATE, compare
from tests.end_to_end.clients.baresip_debian import DebianBaresip
from tests.end_to_end.clients.baresip_wheel import WheelBaresip
from tests.end_to_end.clients.call import CallWish, RealCall, RealClient, calling
from tests.end_to_end.clients.conversation import wait_until
from tests.end_to_end.clients.linphone import Linphone
from tests.end_to_end.conftest import Saying, require
from tests.end_to_end.server import Server

pytestmark = [pytest.mark.partners, pytest.mark.timeout(240)]

ENOUGH = 0.8  # of what was said has to come back as a copy
MARGIN = 1.5  # seconds for the ways there and back and the client's jitter buffer


@pytest.fixture(params=[DebianBaresip(), WheelBaresip(), Linphone()], ids=lambda client: client.name)
def client(request: pytest.FixtureRequest) -> RealClient:
    chosen: RealClient = request.param
    require(chosen.name, chosen.missing())
    return chosen


@pytest.fixture
def wish(client: RealClient, running_server: Server, saying: Saying) -> CallWish:
    return CallWish(client.host, running_server.sip_port, running_server.ca, saying.wav)


@pytest.fixture
def call(client: RealClient, wish: CallWish, tmp_path: Path) -> Iterator[RealCall]:
    with calling(client, wish, tmp_path) as call:
        yield call


def sip_call_id(call: RealCall) -> str:
    """Call-ID of the call, from the client's own trace."""
    return call.conversation.wait_for(r"(?i)^Call-ID: *(\S+)").group(1)


def story(call: RealCall) -> list[str]:
    """Methods and statuses in the order of the client's own trace, to the end of its own BYE."""
    trace = call.conversation.wait_for(r"(?s)\A.*^BYE sip:.*?^SIP/2\.0 200 ").group()
    return [method or status for method, status in re.findall(r"(?m)^(?:([A-Z]+) sip:\S+ SIP/2\.0|SIP/2\.0 (\d{3}) )", trace)]


def digits(server: Server, call: str) -> list[str]:
    """DTMF that the server heard in this call."""
    return [key["digit"] for key in server.get(f"/api/v1/calls/{call}/media")["dtmf"]]


def wait_ports_free(server: Server) -> None:
    """BYE frees the media port within a second."""
    wait_until(lambda: server.metric("sbc_sim_media_ports_in_use") == 0, "media ports are free again", patience=1.0)


def test_a_real_client_hears_itself_and_hangs_up(call: RealCall, saying: Saying, running_server: Server) -> None:
    call.wait_answered()
    call.wait_heard(saying.seconds + MARGIN)
    call.hang_up()
    wait_ports_free(running_server)

    echo = compare(saying.samples, call.heard())
    assert echo.fraction >= ENOUGH, f"{echo}\n{call.trace()}"
    told = running_server.wait_for_call(sip_call_id(call), "ended")
    assert told["endedBy"] == "partner"
    assert told["uui"]["fields"]["orgId"] == "echo-test-org"
    assert told["media"]["codec"] == "PCMU"
    assert told["media"]["echoedPackets"] >= ENOUGH * saying.seconds * 50
    assert told["media"]["authFailures"] == 0

    messages = running_server.get(f"/api/v1/calls/{told['id']}/messages")["messages"]
    assert [str(message["status"] or message["method"]) for message in messages] == story(call)
    # Nothing is wrong with these clients, so nothing may be said to be, but for the timing of audio on a busy machine.
    findings = running_server.get(f"/api/v1/calls/{told['id']}/verdict")["findings"]
    told_off = [finding for finding in findings if finding["status"] in ("warn", "fail") and not finding["rule"].startswith("SBC-MEDIA-")]
    assert not told_off
    assert told["verdict"]["status"] != "fail", findings


@pytest.mark.parametrize("client", [WheelBaresip(), Linphone()], ids=lambda client: client.name, indirect=True)
def test_a_real_client_dials_a_digit_holds_resumes_is_refused_a_transfer_and_still_hears_itself(
    client: RealClient, wish: CallWish, running_server: Server, tmp_path: Path
) -> None:
    # Not with baresip 1.0: it loses its recording over a hold, and hangs up by itself when a transfer is refused.
    saying = Saying(tmp_path, 40.0, seed=7)
    with calling(client, replace(wish, wav=saying.wav), tmp_path) as call:
        call.wait_answered()
        call.wait_heard(1.0)
        standing = running_server.wait_for_call(sip_call_id(call), "answered")
        call.tell("digit", "5")
        wait_until(lambda: digits(running_server, standing["id"]) == ["5"], "the server heard the digit")
        call.tell("hold")
        call.conversation.wait_for(r"(?s)^a=(?:sendonly|inactive)$.*?^SIP/2\.0 200 .*?^a=(?:recvonly|inactive)$.*?^ACK sip:")
        call.conversation.wait_for(r"^@held")
        call.tell("resume")
        call.conversation.wait_for(r"(?s)^@held.*?^INVITE sip:.*?^SIP/2\.0 200 .*?^a=sendrecv$.*?^ACK sip:")
        call.tell("transfer", "sip:somebody@localhost")
        # Up to its last header: the empty line behind it may stay in the client's buffer until it has more to say.
        refusal = call.conversation.wait_for(r"(?s)^SIP/2\.0 405 .*?^Content-Length: 0").group()
        assert "REFER" not in (re.search(r"(?m)^Allow: .*$", refusal) or [""])[0]
        before = len(call.heard())
        call.wait_heard(before / RATE + 2.5)
        echo = compare(saying.samples, call.heard()[before:])
        call.hang_up()
    assert echo.fraction * saying.seconds >= 1.5, f"{echo} after the hold\n{call.trace()}"
    told = running_server.wait_for_call(sip_call_id(call), "ended")
    media = running_server.get(f"/api/v1/calls/{told['id']}/media")
    assert [agreed["direction"] for agreed in (*media["earlier"], media["agreed"])] == ["sendrecv", "recvonly", "sendrecv"]
    assert digits(running_server, told["id"]) == ["5"]
    failed = [f["rule"] for f in running_server.get(f"/api/v1/calls/{told['id']}/verdict")["findings"] if f["status"] == "fail"]
    assert failed == ["SBC-SIP-024"], "the REFER, and nothing else"


def test_a_real_client_is_hung_up_on(call: RealCall, running_server: Server) -> None:
    call.wait_answered()
    call.wait_heard(1.0)
    standing = running_server.wait_for_call(sip_call_id(call), "answered")
    running_server.post(f"/api/v1/calls/{standing['id']}/hangup")
    ending = call.wait_closed()
    assert ending.status is None, ending
    wait_ports_free(running_server)
    told = running_server.wait_for_call(sip_call_id(call), "ended")
    assert told["endedBy"] == "sbc"
    assert re.search(r"(?m)^BYE sip:", call.trace()), "the BYE is in the client's own trace"


def test_a_real_client_that_has_only_pcma_is_refused_and_told_why(
    client: RealClient, wish: CallWish, running_server: Server, tmp_path: Path
) -> None:
    only_pcma = replace(wish, codec="PCMA")
    with calling(client, only_pcma, tmp_path) as call:
        ending = call.wait_closed()
        told = running_server.wait_for_call(sip_call_id(call), "ended")
        assert ending.status == 488, f"{ending}\n{call.trace()}"
        warning = call.conversation.wait_for(r'(?i)^Warning: *(\d{3}) \S+ "(SBC-[A-Z0-9]+-\d{3})')
        assert warning.group(1) == "305"
        assert (told["state"], told["endStatus"], told["verdict"]["status"]) == ("rejected", 488, "fail")


def test_a_real_client_without_user_to_user_is_refused_and_told_why(
    client: RealClient, wish: CallWish, running_server: Server, tmp_path: Path
) -> None:
    without = replace(wish, user_to_user=None)
    with calling(client, without, tmp_path) as call:
        ending = call.wait_closed()
        assert ending.status == 400, f"{ending}\n{call.trace()}"
        call.conversation.wait_for(r'(?i)^Warning: *399 \S+ "SBC-UUI-\d{3}')
