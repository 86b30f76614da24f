"""Who sent which message of a text, and when: from what was said about it, else guessed from the dialogs."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from sbc_sim.traces.limits import Notes
from sbc_sim.traces.recording import Address, Flow, Octets, Recording
from sbc_sim.traces.text_marks import Mark

_NOWHERE: Address = ("", 0)
_STEP = 0.1
"""Seconds between messages whose times nobody wrote down."""
_HALF_A_DAY = 43_200.0
_DAY = 86_400.0
_HEAD = 65_536
_CALL_ID = re.compile(rb"(?im)^(?:call-id|i)[ \t]*:[ \t]*(\S{1,500})")
_FROM = re.compile(rb"(?im)^(?:from|f)[ \t]*:[^\r\n]{0,2000}?;[ \t]*tag[ \t]*=[ \t]*([^\s;,>]{1,500})")
MOST_FLOWS = 1_000


class Said(NamedTuple):
    """A message, and what the text says about it."""

    data: bytes
    mark: Mark


@dataclass(slots=True)
class _Message:
    """A message on its way into the recording."""

    data: bytes
    mark: Mark
    is_request: bool = False
    is_invite: bool = False
    call: bytes = b""
    from_tag: bytes = b""
    at: float = 0.0
    sender: Hashable = None
    """Whatever tells the two ends apart; None where nobody says."""


@dataclass(slots=True)
class _Group:
    """The messages between one pair of ends."""

    ends: tuple[Address, Address] = (_NOWHERE, _NOWHERE)
    messages: list[_Message] = field(default_factory=list)
    client: Hashable = None


def recorded(said: Iterable[Said], notes: Notes) -> Recording:
    """Make the recording: a flow for each pair of ends that the text names, or one for all where it names none."""
    messages = [_looked_at(one) for one in said]
    _set_times(messages, notes)
    groups = _grouped(messages)
    flows, octets = [], []
    guessed = 0
    for number, group in enumerate(groups, 1):
        guessed += sum(message.sender is None for message in group.messages)
        ways = _ways(group)
        octets += [Octets(message.at, number, way, message.data) for message, way in zip(group.messages, ways, strict=True)]
        flows.append(Flow(number, "text", *_ends(group), group.messages[0].at))
    if guessed:
        notes.add(
            f"The text does not say who sent {guessed} of {len(messages)} messages: guessed from the dialog "
            "(who sent the INVITE is the client; From tags tell the side of later requests)."
        )
    return Recording(tuple(flows), tuple(sorted(octets, key=lambda piece: piece.at)), (), notes.sentences())


def _looked_at(said: Said) -> _Message:
    head = said.data[:_HEAD].partition(b"\r\n\r\n")[0]
    message = _Message(said.data, said.mark)
    message.is_request = not head.startswith(b"SIP/")
    message.is_invite = head.startswith(b"INVITE")
    for name, pattern in (("call", _CALL_ID), ("from_tag", _FROM)):
        found = pattern.search(head)
        if found is not None:
            setattr(message, name, found[1])
    return message


# --- times ------------------------------------------------------------------------------------------------------------


def _set_times(messages: list[_Message], notes: Notes) -> None:
    """Give each message a time: that of the text, else that of the message before, else one made up."""
    if not any(message.mark.at is not None for message in messages):
        for number, message in enumerate(messages):
            message.at = number * _STEP
        notes.add("The text has no times: the messages are taken to be 0.1 s apart, so nothing that depends on time can be judged.")
        return
    day, latest, lacking = 0.0, 0.0, 0
    first = next(message.mark for message in messages if message.mark.at is not None)
    if first.at is not None:
        latest = first.at
    for message in messages:
        at = message.mark.at
        if at is None:
            lacking += 1
        elif message.mark.dated:
            day, latest = at - at % _DAY, at
        else:
            day += _DAY if day + at < latest - _HALF_A_DAY else 0.0  # past midnight
            latest = day + at
        message.at = latest
    if lacking:
        notes.add(f"{lacking} of {len(messages)} messages have no time in the text: they get that of the message before.")
    if not any(message.mark.dated for message in messages):
        notes.add("The text has times of day without a date: they count from midnight.")


# --- ends -------------------------------------------------------------------------------------------------------------


def _grouped(messages: list[_Message]) -> list[_Group]:
    """Part the messages by the ends between which they went; those of which nobody says go with their call."""
    groups: dict[Hashable, _Group] = {}
    by_call: dict[bytes, _Group] = {}
    unknown: list[_Message] = []
    for message in messages:
        key, ends, message.sender = _told(message.mark)
        if key is None:
            unknown.append(message)
            continue
        if key not in groups and len(groups) >= MOST_FLOWS:
            key = next(iter(groups))
        group = groups.setdefault(key, _Group(ends))
        group.messages.append(message)
        by_call.setdefault(message.call, group)
    only = next(iter(groups.values())) if len(groups) == 1 else None
    for message in unknown:
        home = by_call.get(message.call) or only or groups.setdefault(None, _Group())
        if _NOWHERE not in home.ends:
            message.sender = None  # "received" means nothing where two addresses tell the ends apart
        home.messages.append(message)
    order = {id(message): place for place, message in enumerate(messages)}
    for group in groups.values():
        group.messages.sort(key=lambda message: order[id(message)])
    return sorted(groups.values(), key=lambda group: order[id(group.messages[0])])


def _told(mark: Mark) -> tuple[Hashable, tuple[Address, Address], Hashable]:
    """Give what names the pair of ends, the pair, and the sender; None and None when the text does not say."""
    source, destination = mark.source, mark.destination
    if source is not None and destination is not None:
        return frozenset((source, destination)), (source, destination), source
    if mark.received is None:
        return None, (_NOWHERE, _NOWHERE), None
    remote = source or destination
    sender = "far" if mark.received else "near"
    if remote is None:
        return None, (_NOWHERE, _NOWHERE), sender
    return remote, ((remote, _NOWHERE) if mark.received else (_NOWHERE, remote)), sender


def _ends(group: _Group) -> tuple[Address, Address]:
    """Give the client's address and the server's. The pair is as its first message went."""
    first = next((message for message in group.messages if message.sender is not None), None)
    if first is None or group.client is None or first.sender == group.client:
        return group.ends
    return group.ends[1], group.ends[0]


# --- directions -------------------------------------------------------------------------------------------------------


def _ways(group: _Group) -> list[bool]:
    """Tell of each message whether the client sent it."""
    group.client = _client(group.messages)
    tags = _client_tags(group)
    return [_is_from_client(message, group.client, tags) for message in group.messages]


def _client(messages: list[_Message]) -> Hashable:
    """Who sent the first INVITE, else the first request, else who got the first response; None when nobody says."""
    told = [message for message in messages if message.sender is not None]
    requests = [message for message in told if message.is_request]
    first = next((message for message in requests if message.is_invite), requests[0] if requests else None)
    if first is not None:
        return first.sender
    senders = {message.sender for message in told}
    others = {"far": "near", "near": "far"}
    if len(senders) == 2:
        return next(message.sender for message in told if message.sender != told[0].sender)
    return others.get(str(told[0].sender)) if told else None


def _client_tags(group: _Group) -> dict[bytes, bytes]:
    """Give the client's tag in each call: the From tag of its INVITE, else of the first request or response."""
    tags: dict[bytes, bytes] = {}
    for wanted in (True, False):
        for message in group.messages:
            if message.call in tags or not (message.is_invite or not wanted):
                continue
            if message.sender is None or group.client is None or (message.sender == group.client) == message.is_request:
                tags[message.call] = message.from_tag
    return tags


def _is_from_client(message: _Message, client: Hashable, tags: dict[bytes, bytes]) -> bool:
    if message.sender is not None and client is not None:
        return message.sender == client
    by_client = tags.get(message.call, message.from_tag) == message.from_tag
    return by_client == message.is_request
