"""What fits on this machine: limits are cut down to the files that may be open, so that what is over them is refused in words.

A process that runs out of descriptors can neither accept a connection nor answer one: partners would see calls hang.
"""

from __future__ import annotations

import resource
from dataclasses import dataclass, replace

from sbc_sim.settings import Settings

OTHER_FILES = 64
"""Log, journal, epoll, listeners, and what libraries open for a moment."""
OTHER_HTTP = 200
"""HTTP connections beside those that follow the events."""
LEAST_FILES = 160
"""With fewer there is no room for a partner, a page and a call."""


class TooFewFiles(Exception):
    """The system lets this process open too few files to be of use: one sentence."""


@dataclass(frozen=True, slots=True)
class Room:
    """How many there may be of each at the same time."""

    calls: int
    connections: int
    http: int

    @property
    def files(self) -> int:
        """Count what they need, two sockets a call."""
        return OTHER_FILES + self.http + self.connections + 2 * self.calls


@dataclass(frozen=True, slots=True)
class Fitted:
    """Settings whose limits fit, what HTTP has, and what to say of it."""

    settings: Settings
    http: int
    note: str = ""


def wanted(settings: Settings) -> Room:
    """Say what the settings allow."""
    limits, media = settings.limits, settings.media
    ranges = [media.ports, *(own.media_ports for own in settings.regions.values() if own.media_ports is not None)]
    pairs = limits.calls if any(one.start == 0 for one in ranges) else sum((one.end - one.start + 1) // 2 for one in ranges)
    calls = 1 if media.mode == "mux" else min(pairs, limits.calls)
    return Room(calls, limits.connections, OTHER_HTTP + settings.http.listeners)


def may_open(needed: int) -> int:
    """Say how many files may be open, after asking the system for as many as are needed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= needed or soft == resource.RLIM_INFINITY:
        return needed
    more = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if more > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (more, hard))
    return max(soft, more)


def fitted(settings: Settings, files: int | None = None) -> Fitted:
    """Cut the limits down to `files` that may be open (default: what the system says). Raises TooFewFiles."""
    room = wanted(settings)
    allowed = may_open(room.files) if files is None else files
    if allowed >= room.files:
        return Fitted(settings, room.http)
    if allowed < LEAST_FILES:
        raise TooFewFiles(f"this process may open {allowed} files, too few to take calls: it needs {LEAST_FILES} at least, {_cure(room)}")
    cut = _shared_out(room, allowed - OTHER_FILES)
    mux = settings.media.mode == "mux"
    calls = settings.limits.calls if mux else cut.calls
    limits = settings.limits.model_copy(update={"connections": cut.connections, "calls": calls})
    told = f"{cut.connections} SIP connections" + ("" if mux else f" and {cut.calls} calls")
    note = f"this process may open {allowed} files, so there is room for {told} only: {_cure(room)}"
    return Fitted(settings.model_copy(update={"limits": limits}), cut.http, note)


def _shared_out(room: Room, files: int) -> Room:
    """Give HTTP a quarter at most, calls half of the rest, connections what is left."""
    http = min(room.http, files // 4)
    calls = min(room.calls, (files - http) // 4)
    return replace(room, http=http, calls=calls, connections=min(room.connections, files - http - 2 * calls))


def _cure(room: Room) -> str:
    return f"`ulimit -n {room.files}`, LimitNOFILE={room.files} for systemd, --ulimit nofile={room.files} for a container"
