"""The whole flow on the page: a rehearsal followed live, faults, voice calls, the agent's talk and the escalation."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.end_to_end.server import PATIENT, Server, serving
from tests.page.conftest import Opening
from tests.page.partner_calls import Partner

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = [pytest.mark.partners, pytest.mark.timeout(180)]

ORG = "00D5i00000ABCDE"
UUI = json.dumps({"orgId": ORG, "scrt2Domain": "acme.my.salesforce-scrt.com", "callId": "conv-page-1"})


def expect(what: Locator | Page):  # type: ignore[no-untyped-def]
    from playwright.sync_api import expect as playwright_expect

    return playwright_expect(what)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[tuple[Server, Partner, str]]:
    """A server of its own, for what would disturb others; who calls it; the address of its page."""
    with serving(tmp_path, **PATIENT, TELEPHONY__VERIFY="off") as server:
        partner = Partner(server.sip_port, server.ca, tmp_path)
        yield server, partner, f"http://127.0.0.1:{server.http_port}/"
        partner.end()


def test_a_rehearsal_is_begun_on_the_page_and_followed_until_it_passes(place: tuple[Server, Partner, str], visit: Opening) -> None:
    server, partner, base = place
    seen = visit(base)
    page = seen.open("#/rehearsals")
    page.get_by_label("Name").fill("Friday's dry run")
    page.get_by_label("End-to-end test with the agent").uncheck()
    page.get_by_label("Comparison with the partner's own trace").check()
    for box in page.locator("fieldset", has_text="Regions").get_by_role("checkbox").all():
        box.uncheck()
    page.get_by_label("FRANKFURT").check()
    page.get_by_role("button", name="Begin").click()

    expect(page.locator("h1")).to_have_text("Friday's dry run")
    page.evaluate("window.notLoadedAnew = true")
    expect(page.locator(".step")).to_have_count(2)
    step, compare = page.locator(".step").first, page.locator(".step").last
    expect(step.locator(".step-state").first).to_have_text("…waiting")
    expect(page.locator(".headline")).to_contain_text("No call with the echo payload has reached FRANKFURT")
    assert not seen.axe()

    partner.whole_call("--to", "echo", "--no-uui")
    expect(step.locator(".step-state").first).to_have_text("✕failed")
    expect(step.locator(".brief")).to_contain_text("SBC-UUI-001")
    expect(page.locator(".headline")).to_contain_text("mend first")
    step.get_by_role("button").first.click()
    expect(step.locator(".attempt-list > li")).to_have_count(1)
    assert not seen.axe()

    partner.whole_call("--to", "echo", seconds=2.5)
    expect(step.locator(".step-state").first).to_have_text("✓passed")
    expect(page.locator(".headline")).to_contain_text("No trace was uploaded")

    compare.get_by_role("button").first.click()
    call = server.get("/api/v1/calls")["calls"][0]["id"]
    with urllib.request.urlopen(f"{base}api/v1/calls/{call}/capture.pcapng", timeout=60) as capture:
        trace = {"name": "theirs.pcapng", "mimeType": "application/octet-stream", "buffer": capture.read()}
    page.get_by_label("Drop a pcap").set_input_files(trace)  # what left is what arrived: nothing sits between them here
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.locator(".headline")).to_contain_text("Every step passed")
    expect(page.locator(".call-head .step-state")).to_have_text("✓passed")
    assert page.evaluate("window.notLoadedAnew") is True
    step.get_by_role("button").first.click()
    step.get_by_role("link", name="the call", exact=True).first.click()
    expect(page.locator(".call-head .badge").first).to_have_text(re.compile("pass|warn"))


def test_a_rehearsal_is_stopped_resumed_and_a_step_left_out(place: tuple[Server, Partner, str], visit: Opening) -> None:
    server, _, base = place
    wanted = {"regions": ["tokyo", "london"], "parts": ["connectivity", "compare"], "name": "two"}
    made = server.post("/api/v1/rehearsals", wanted)
    page = visit(base).open(f"#/rehearsals/{made['id']}?step=connectivity/tokyo")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".headline")).to_contain_text("It is stopped")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator(".headline")).to_contain_text("2 steps wait")
    page.get_by_role("button", name="Leave out").click()
    expect(page.locator(".step", has_text="TOKYO").locator(".step-state").first).to_contain_text("left out")
    page.locator(".step", has_text="The traces of both ends agree").get_by_role("button").first.click()
    expect(page.get_by_role("form", name="The partner's trace")).to_be_visible()
    expect(page.get_by_role("button", name="Compare", exact=True)).to_be_disabled()


def test_a_fault_is_set_struck_told_on_every_page_and_removed(place: tuple[Server, Partner, str], visit: Opening) -> None:
    server, partner, base = place
    seen = visit(base)
    page = seen.open("#/faults")
    expect(page.locator(".empty")).to_contain_text("No fault is set")
    page.get_by_label("Type").select_option("busy")
    expect(page.locator(".set-fault")).to_contain_text("486 Busy Here")
    page.get_by_label("Name").fill("friday")
    page.get_by_text("For whom, how often and how long").click()
    page.get_by_label("Times").fill("2")
    page.get_by_role("button", name="Set it").click()
    expect(page.locator(".fault-list")).to_contain_text("friday")
    expect(page.locator(".fault-banner")).to_contain_text("1 fault is set (busy)")
    assert not seen.axe()

    partner.whole_call("--to", "echo")
    expect(page.locator(".fault-list")).to_contain_text("1 left")
    page.get_by_role("link", name="Calls", exact=True).click()
    expect(page.locator(".fault-banner")).to_be_visible()
    page.locator("table.list tbody tr a").first.click()
    expect(page.locator(".flow-line")).to_contain_text("wrong on purpose: busy")

    page.get_by_role("link", name="See and remove them").click()
    page.get_by_role("button", name="Remove friday").click()
    expect(page.locator(".empty")).to_contain_text("No fault is set")
    expect(page.locator(".fault-banner")).to_have_count(0)
    assert server.get("/api/v1/faults")["faults"] == []


def test_a_fault_that_makes_no_sense_is_refused_beside_its_form_with_the_cure(place: tuple[Server, Partner, str], visit: Opening) -> None:
    _, _, base = place
    seen = visit(base)
    seen.expected.append("400")
    page = seen.open("#/faults")
    page.get_by_label("Type").select_option("loss")
    page.get_by_label("Fraction of the packets").fill("7")
    page.get_by_role("button", name="Set it").click()
    expect(page.locator(".set-fault .trouble")).to_contain_text("Use 0 to 1")


def rest(server: Server, method: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
    """One request to the Telephony Integration API, as a partner's program makes it."""
    url = f"http://127.0.0.1:{server.http_port}/telephony/v1{path}"
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.status, json.loads(answer.read())


def a_voice_call(server: Server) -> str:
    body = {
        "callCenterApiName": "AcmeCentre", "vendorCallKey": "conv-page-1", "to": "+4930123456", "from": "+14155550111",
        "initiationMethod": "Inbound",
        "startTime": "2026-01-31T12:00:00.000Z", "participants": [{"participantKey": "+14155550111", "type": "END_USER"}],
    }  # fmt: skip
    _, created = rest(server, "POST", "/voiceCalls", body)
    return str(created["voiceCallId"])


def test_voice_calls_appear_with_their_requests_and_the_sip_call_that_names_them(
    place: tuple[Server, Partner, str], visit: Opening
) -> None:
    server, partner, base = place
    seen = visit(base)
    page = seen.open("#/voice-calls")
    expect(page.locator(".empty")).to_contain_text("/telephony/v1/voiceCalls")
    voice_call = a_voice_call(server)
    expect(page.locator("table.list")).to_contain_text(voice_call)
    page.get_by_role("link", name=voice_call).click()
    expect(page.locator(".request")).to_have_count(1)
    expect(page.locator(".request summary").first).to_contain_text("/voiceCalls")
    rest(server, "PATCH", f"/voiceCalls/{voice_call}", {"endTime": "2026-01-31T12:05:00.000Z", "isActiveCall": False})
    expect(page.locator(".request")).to_have_count(2)
    expect(page.locator(".call-head .state")).to_have_text("closed")
    assert not seen.axe()

    partner.whole_call("--to", "2000", "--uui-text", UUI, seconds=1.0)
    expect(page.locator(".facts")).to_contain_text("the call")
    page.locator(".facts").get_by_role("link", name="the call").click()
    expect(page.locator(".flow-line")).to_contain_text(voice_call)


def test_the_agents_talk_and_its_escalation_appear_while_the_call_goes_on(place: tuple[Server, Partner, str], visit: Opening) -> None:
    server, partner, base = place
    seen = visit(base)
    page = seen.open("#/calls")
    expect(page.locator(".stream")).to_have_text("live")
    voice_call = a_voice_call(server)
    partner.call("--to", "2000", "--uui-text", UUI)
    page.locator("table.list tbody tr a").first.click()
    expect(page.locator(".call-head")).to_contain_text("agent")
    page.get_by_role("link", name="Flow").click()
    expect(page.locator(".talk .agent").first).to_contain_text("agent says")
    expect(page.locator(".flow-tab")).to_contain_text(voice_call)
    page.get_by_role("button", name="Escalate").click()
    expect(page.get_by_label("states of the escalation")).to_contain_text("gives the call back by BYE")
    expect(page.locator(".call-head")).to_contain_text("ended")
    call = page.url.split("/calls/")[1].split("/")[0]
    server.post(f"/api/v1/calls/{call}/partner", {"customerAlive": True, "repReached": True, "repCall": "0LQ000000000009AAA"})
    expect(page.locator(".checks")).to_contain_text("A human rep was reached")
    assert not seen.axe()
    page.get_by_role("link", name="Ladder").click()
    expect(page.locator("svg.ladder")).to_contain_text("gives the call back by BYE")
