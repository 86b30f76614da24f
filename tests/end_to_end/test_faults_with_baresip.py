"""What is done wrong on purpose, with a real client at the other end: the verdict holds nothing of it against the client."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.clients.audio import compare
from tests.end_to_end.clients.baresip_wheel import WheelBaresip
from tests.end_to_end.clients.call import CallWish, RealCall, calling
from tests.end_to_end.clients.conversation import wait_until
from tests.end_to_end.conftest import Saying, require
from tests.end_to_end.server import Server

pytestmark = [pytest.mark.partners, pytest.mark.timeout(240)]


class Caller:
    """Dials test numbers and gives the call that the server knows."""

    def __init__(self, server: Server, saying: Saying, folder: Path) -> None:
        self.server, self.saying, self.folder = server, saying, folder
        self.client = WheelBaresip()
        require(self.client.name, self.client.missing())

    def dial(self, number: str) -> Any:
        wish = CallWish(self.client.host, self.server.sip_port, self.server.ca, self.saying.wav, number=number)
        return calling(self.client, wish, self.folder)

    def told(self, call: RealCall) -> dict[str, Any]:
        """The call once it is over, with its findings by rule."""
        sip_call_id = call.conversation.wait_for(r"(?i)^Call-ID: *(\S+)").group(1)
        told = self.server.wait_for_call(sip_call_id, "ended")
        findings = self.server.get(f"/api/v1/calls/{told['id']}/verdict")["findings"]
        return {**told, "findings": {finding["rule"]: finding for finding in findings}}


@pytest.fixture
def caller(running_server: Server, saying: Saying, tmp_path: Path) -> Caller:
    return Caller(running_server, saying, tmp_path)


def blamed(told: dict[str, Any]) -> list[str]:
    """Rules held against the client, the timing of audio on a busy machine left aside."""
    return [rule for rule, f in told["findings"].items() if f["status"] in ("warn", "fail") and not rule.startswith("SBC-MEDIA-")]


@pytest.mark.parametrize(("number", "status"), [("+15554860", 486), ("unavailable", 480), ("5030", 503)])
def test_a_real_client_acknowledges_a_refusal_on_purpose(caller: Caller, number: str, status: int) -> None:
    with caller.dial(number) as call:
        assert call.wait_closed().status == status
        told = caller.told(call)
    assert (told["state"], told["endStatus"], told["verdict"]["status"]) == ("rejected", status, "pass")
    assert told["findings"]["SBC-DLG-014"]["status"] == "pass"
    assert told["faults"][0]["by"].startswith("number ")


def test_a_real_client_gives_up_a_call_that_nobody_answers(caller: Caller) -> None:
    with caller.dial("4080") as call:
        call.conversation.wait_for(r"^@ringing")
        call.tell("hang up")
        told = caller.told(call)
    assert (told["endReason"], told["findings"]["SBC-DLG-016"]["status"], blamed(told)) == ("cancelled", "pass", [])


def test_a_real_client_takes_early_media_and_then_the_echo(caller: Caller) -> None:
    with caller.dial("1002") as call:
        call.wait_answered()
        call.wait_heard(5.0)
        call.hang_up()
        heard, told = call.heard(), caller.told(call)
        assert re.search(r"(?m)^SIP/2\.0 183 ", call.trace())
    assert compare(caller.saying.samples, heard).fraction > 0.3
    assert blamed(told) == []


def test_a_real_client_is_held_and_resumed_by_our_re_invites(caller: Caller) -> None:
    with caller.dial("1007") as call:
        call.wait_answered()
        call.conversation.wait_for(r"(?s)^INVITE sip:.*?^INVITE sip:.*?^a=sendonly.*?^INVITE sip:.*?^a=sendrecv")
        sip_call_id = call.conversation.wait_for(r"(?i)^Call-ID: *(\S+)").group(1)
        standing = caller.server.wait_for_call(sip_call_id, "answered")
        wait_until(lambda: resumed(caller.server, standing["id"]), "the call is resumed")
        call.hang_up()
        told = caller.told(call)
    assert told["findings"]["SBC-DLG-018"]["status"] == "pass", told["findings"]["SBC-DLG-018"]
    assert blamed(told) == []


def resumed(server: Server, call: str) -> bool:
    media = server.get(f"/api/v1/calls/{call}/media")
    return [agreed["direction"] for agreed in (*media["earlier"], media["agreed"])] == ["sendrecv", "sendonly", "sendrecv"]


def test_a_real_client_is_hung_up_on_by_a_number_and_by_a_fault(caller: Caller) -> None:
    with caller.dial("1003") as call:
        call.wait_answered()
        assert call.wait_closed().status is None
        told = caller.told(call)
    assert (told["endedBy"], told["endReason"], blamed(told)) == ("sbc", "fault", [])
    assert "on purpose: bye-after" in call.trace()
