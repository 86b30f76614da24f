"""Routing a voice call: omniFlow, routeVoiceCall, reroute, clearRouting, requestCallback (facts 2.2, 2.3; requirements 125 to 127)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sbc_sim.telephony import members
from sbc_sim.telephony.asking import Ask, Done
from sbc_sim.telephony.desk import Desk
from sbc_sim.telephony.ids import QUEUE, ROUTING, USER, looks_like, named, numbered
from sbc_sim.telephony.remark import BODY, WARN, Remark
from sbc_sim.telephony.states import Step

OMNI_FLOW_MEMBERS = ("dialedNumber", "flowDevName", "flowName", "fallbackQueue", "flowInputParameters", "transferTarget")
ROUTE_MEMBERS = ("routingTarget", "fallbackQueue", "flowInputParameters")
CALLBACK_MEMBERS = ("callbackNumber", "vendorCallKey", "isPreviewCallback", "scheduledRoutingDateTime")


def omni_flow(desk: Desk, ask: Ask) -> Done:
    """PATCH .../omniFlow: by the phone channel of the dialled number, else by the parameters, else errors."""
    body = ask.body
    record = desk.need(ask)
    members.unknown(body, OMNI_FLOW_MEMBERS, ask.remarks)
    dialed = members.optional_text(body, "dialedNumber")
    flow = members.optional_text(body, "flowDevName") or members.optional_text(body, "flowName")
    fallback = members.optional_text(body, "fallbackQueue")
    inputs = _inputs(body)
    has_channel = bool(dialed) and (not desk.options.channels or dialed in desk.options.channels)
    if not has_channel and not flow:
        return _no_flow(desk, ask, dialed)
    agent, queue = _target(desk, flow or dialed, fallback)
    after = desk.step(ask, record, Step.ENQUEUE)
    routing: dict[str, Any] = {"operation": "omniFlow", "by": "channel" if has_channel else "parameters"}
    routing |= {"flow": flow or None, "dialedNumber": dialed or None, "fallbackQueue": fallback or None}
    routing |= {"flowInputParameters": inputs, "agent": agent, "queue": queue}
    desk.keep(ask, replace(after, routing=routing))
    return Done(200, {"agent": agent, "queue": queue})


def _no_flow(desk: Desk, ask: Ask, dialed: str) -> Done:
    detail = f"{dialed} has no phone channel" if dialed else "There is no dialedNumber"
    told = f"{detail}, and no flowDevName is given: no flow was executed."
    ask.remarks.append(Remark(BODY, WARN, told, "Send dialedNumber of a number with a phone channel (telephony.channels), or flowDevName."))
    assert ask.about is not None
    desk.keep(ask, ask.about)
    return Done(200, {"errors": [told]})


def _target(desk: Desk, flow: str, fallback: str) -> tuple[str, str]:
    """The agent and the queue that a flow would find: as set, else made of its name, so that they stay the same."""
    queue = desk.options.queue or (fallback if looks_like(fallback, QUEUE) else named(QUEUE, fallback or flow))
    return desk.options.agent or named(USER, flow), queue


def _inputs(body: Mapping[str, Any]) -> dict[str, Any]:
    """What the flow is given: flowInputParameters, and transferTarget of newer clients."""
    given = body.get("flowInputParameters")
    inputs = {} if given is None else dict(members.small_mapping("flowInputParameters", given))
    if target := members.optional_text(body, "transferTarget"):
        inputs.setdefault("transferTarget", target)
    return inputs


def route(desk: Desk, ask: Ask) -> Done:
    """POST .../routeVoiceCall and PATCH /voiceCalls/route/{id}: to an agent, a queue or a flow."""
    record = desk.need(ask)
    members.unknown(ask.body, ROUTE_MEMBERS, ask.remarks)
    target = members.text(ask.body, "routingTarget", example='"00G..." or "005..." or the name of a flow')
    fallback = members.optional_text(ask.body, "fallbackQueue")
    routing = {"operation": "routeVoiceCall", "target": target, "fallbackQueue": fallback or None, "flowInputParameters": _inputs(ask.body)}
    desk.keep(ask, replace(desk.step(ask, record, Step.ROUTE), routing=routing))
    return Done(200, {"status": "Success"})


def reroute(desk: Desk, ask: Ask) -> Done:
    """POST or PATCH .../reroute: what is pending is routed anew."""
    record = desk.need(ask)
    desk.keep(ask, desk.step(ask, record, Step.REROUTE))
    return Done(200, {"status": "Success"})


def clear_routing(desk: Desk, ask: Ask) -> Done:
    """PATCH .../clearRouting: the caller hung up in the queue, what is pending goes."""
    record = desk.need(ask)
    desk.keep(ask, replace(desk.step(ask, record, Step.CLEAR), routing=None))
    return Done(200, {"status": "Success"})


def request_callback(desk: Desk, ask: Ask) -> Done:
    """POST .../requestCallback: somebody shall call the customer."""
    body = ask.body
    record = desk.need(ask)
    members.unknown(body, CALLBACK_MEMBERS, ask.remarks)
    callback_number = members.text(body, "callbackNumber", example='"+15550199"')
    members.phone_number("callbackNumber", callback_number, ask.remarks)
    members.optional_text(body, "vendorCallKey", members.LONGEST_KEY)
    if body.get("isPreviewCallback") is not None:
        members.truth("isPreviewCallback", body["isPreviewCallback"])
    if body.get("scheduledRoutingDateTime") is not None:
        members.iso_time("scheduledRoutingDateTime", body["scheduledRoutingDateTime"], ask.remarks)
    after = desk.step(ask, record, Step.CALL_BACK)
    made = numbered(ROUTING, int(ask.now * 1000))
    desk.keep(ask, replace(after, details={**after.details, "callbackNumber": callback_number, "callbackRecordId": made}))
    return Done(200, {"recordId": made})
