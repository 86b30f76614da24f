"""Media of regions that have ports or an address of their own: one plane for each range of ports, behind the face of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sbc_sim.net.media_udp import MediaPlane
from sbc_sim.rtp.endpoint import Endpoint
from sbc_sim.rtp.leg import LegDescription, LegReport, MediaAddress, Prompt


class RegionalMedia:
    """All media of one process, as `MediaPlane` is when no region has its own. Packets never come by here."""

    def __init__(self, common: MediaPlane, own: Mapping[str, MediaPlane], advertised: Mapping[str, str]) -> None:
        """`own`: planes of regions with ports of their own (several may share one); `advertised`: addresses for the SDP, by region."""
        self._common = common
        self._own = own
        self._advertised = advertised
        self._planes = list(dict.fromkeys((common, *own.values())))
        self._where: dict[str, MediaPlane] = {}
        """By call: the plane that is not the common one."""

    def listen(self) -> None:
        """Begin. Raise OSError as `MediaPlane.listen`."""
        for plane in self._planes:
            plane.listen()

    @property
    def taken(self) -> tuple[str, ...]:
        """What to say of ports that other programs held when it began."""
        return tuple(words for plane in self._planes for words in plane.taken)

    def close_all(self, now: float) -> None:
        """Say goodbye on every leg and close every socket."""
        for plane in self._planes:
            plane.close_all(now)

    @property
    def ports(self) -> tuple[int, int]:
        """First and last port of regions without their own."""
        return self._common.ports

    @property
    def region_ports(self) -> dict[str, tuple[int, int]]:
        """First and last port of each region that has its own."""
        return {region: plane.ports for region, plane in self._own.items()}

    def open(self, call: str, region: str = "") -> MediaAddress | None:
        """Take ports for a call out of its region's range; None when none is free."""
        plane = self._own.get(region, self._common)
        address = plane.open(call)
        if address is None:
            return None
        if plane is not self._common:
            self._where[call] = plane
        host = self._advertised.get(region)
        return replace(address, host=host) if host else address

    def start(self, description: LegDescription, now: float) -> None:
        """Begin or change the media of an opened call."""
        self._of(description.call).start(description, now)

    def stop(self, call: str, now: float) -> None:
        """End the media of a call."""
        self._of(call).stop(call, now)
        self._where.pop(call, None)

    def say(self, call: str, prompt: Prompt | None, now: float) -> None:
        """Have a leg play a prompt, or be silent."""
        self._of(call).say(call, prompt, now)

    def leg(self, call: str) -> Endpoint | None:
        """Give the live leg of a call."""
        return self._of(call).leg(call)

    def report(self, call: str) -> LegReport | None:
        """Give the report of a leg, also for a while after its end."""
        return next((report for plane in self._planes if (report := plane.report(call)) is not None), None)

    def _of(self, call: str) -> MediaPlane:
        return self._where.get(call, self._common)

    @property
    def ports_in_use(self) -> int:
        """UDP ports bound for media."""
        return sum(plane.ports_in_use for plane in self._planes)

    @property
    def ports_limit(self) -> int:
        """UDP ports that may be bound; 0 when only the system sets a limit."""
        limits = [plane.ports_limit for plane in self._planes]
        return sum(limits) if all(limits) else 0

    @property
    def refused_datagrams(self) -> dict[str, int]:
        """Datagrams that no leg took, by reason."""
        sums: dict[str, int] = {}
        for plane in self._planes:
            for reason, count in plane.refused_datagrams.items():
                sums[reason] = sums.get(reason, 0) + count
        return sums
