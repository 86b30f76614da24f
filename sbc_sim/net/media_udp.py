"""The media plane: sockets and timers around the pure legs of `rtp`.

Signalling gives a leg's description and gets its report; nothing else passes between them:

    plane = MediaPlane(reactor, "0.0.0.0", "192.0.2.1", "31000-31019", "ports", clock=clock)
    plane.listen()
    address = plane.open(call)             # ports for the SDP, or None when none is free
    plane.start(description, now)          # begin, and again for every change
    plane.report(call)                     # LegReport, also for a while after the end
    plane.stop(call, now)                  # RTCP BYE, ports free at once

The partner's side is the same plane with another kind of leg, each call's audio made by the factory:

    legs = {}
    def make_leg(description, now):
        legs[description.call] = leg = PlayLeg(description, now, islice(tone(seed), 250))
        return leg
    plane = MediaPlane(..., make_leg=make_leg)          # legs[call].proof() tells what came back, also after stop
"""

from __future__ import annotations

import select
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from sbc_sim.net.media_mux import MuxRouter
from sbc_sim.net.media_ports import Address, GatheredPorts, MediaPort, PortPairs, SinglePorts, bind, numeric, parse_ports
from sbc_sim.rtp.echo import EchoLeg
from sbc_sim.rtp.endpoint import Endpoint
from sbc_sim.rtp.leg import LegDescription, LegEvent, LegReport, MediaAddress, Prompt
from sbc_sim.rtp.recording import Recording

LegFactory = Callable[[LegDescription, float], Endpoint]
Clock = Callable[[], float]
NewRecording = Callable[[LegDescription, MediaAddress], Recording | None]
"""What a leg adds its packets to, or None when nothing is to be kept of it."""

RTCP_TICK_S = 0.5
PACE_S = 0.01
"""How often legs that send by the clock are asked: half the shortest usual packet time."""

MOST_REPORTS = 256
"""Reports of ended legs that are kept."""


@dataclass(slots=True)
class _Line:
    """The ports of one call, and its leg once there is one."""

    rtp: MediaPort
    rtcp: MediaPort
    """The same as `rtp` in mux mode."""
    leg: Endpoint | None = None
    waiting: Prompt | None = None
    """What the leg shall play once it begins: the newest that was asked for before."""


class MediaPlane:
    """All media of one process. Not for use from several threads."""

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        listen_host: str,
        advertised_host: str,
        ports: str = "31000-31019",
        mode: str = "ports",
        *,
        clock: Clock,
        make_leg: LegFactory = EchoLeg,
        new_recording: NewRecording = lambda description, address: None,
        on_event: Callable[[str, LegEvent], object] = lambda call, event: None,
        receive_buffer: int = 1 << 20,
        gather: bool = hasattr(select, "epoll"),
    ) -> None:
        """Set up without touching the network. Raise ValueError for ports or a mode that make no sense.

        `clock` gives unix seconds that never run backwards; `receive_buffer` (octets) is what is asked for, the system may give less;
        `gather` False has the reactor watch each call's sockets itself.
        """
        first, last = parse_ports(ports)
        if mode not in ("ports", "mux"):
            raise ValueError(f"media mode {mode!r}: ports or mux")
        if mode == "ports" and first and first + first % 2 >= last:
            raise ValueError(f"media ports {ports!r}: each call takes an even port and the one above it, or use the mode mux")
        self._reactor = reactor
        self._host = listen_host
        self._advertised = advertised_host
        self._range = (first, last)
        self._clock = clock
        self._make_leg = make_leg
        self._new_recording = new_recording
        self._on_event = on_event
        self._receive_buffer = receive_buffer
        self._gather = gather
        self._pairs = PortPairs(listen_host, first, last, receive_buffer) if mode == "ports" else None
        self._lines: dict[str, _Line] = {}
        self._reports: OrderedDict[str, LegReport] = OrderedDict()
        self._without_leg = 0
        self.taken: tuple[str, ...] = ()
        """What to say of ports that other programs held when it began."""
        self._watch: GatheredPorts | SinglePorts | None = None
        self._mux_port: MediaPort | None = None
        self._router: MuxRouter | None = None
        self._timers = (LoopingCall(self._tick), LoopingCall(self._pace))
        for timer in self._timers:
            timer.clock = reactor

    # --- the life of the plane ---------------------------------------------------------------------------------------

    def listen(self) -> None:
        """Begin. Raise OSError when the one port of mux mode is taken, or every pair of ports mode, which are bound call by call."""
        others = 0 if self._pairs is None else self._pairs.look()
        if others:
            first, last = self._range
            self.taken = (f"other programs hold ports of {first}-{last}/udp: room for {others} calls less until they end (`ss -lunp`)",)
        self._watch = GatheredPorts(self._reactor, self._clock) if self._gather and self._pairs is not None else SinglePorts(self._reactor)
        if self._pairs is None:
            try:
                self._listen_once()
            except OSError:
                self._watch.close()
                self._watch = None
                raise
        self._timers[0].start(RTCP_TICK_S, now=False)

    def _listen_once(self) -> None:
        port = MediaPort(bind(self._host, self._range[0], self._receive_buffer), self._clock, self._nobody)
        self._router = MuxRouter(port.send)
        port.attach(self._router.receive)
        self._mux_port = port
        self._watched().add(port)

    def _watched(self) -> GatheredPorts | SinglePorts:
        if self._watch is None:
            raise ValueError("the media plane does not listen")
        return self._watch

    def close_all(self, now: float) -> None:
        """Say goodbye on every leg and close every socket; a second call does nothing."""
        for call in list(self._lines):
            self.stop(call, now)
        for timer in self._timers:
            if timer.running:
                timer.stop()
        if self._mux_port is not None and self._watch is not None:
            self._watch.remove(self._mux_port)
            self._mux_port.close()
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    @property
    def ports(self) -> tuple[int, int]:
        """First and last port: as set, or the real one of mux mode; 0, 0 for any free ones."""
        if self._mux_port is not None:
            return self._mux_port.number, self._mux_port.number
        return self._range

    # --- the life of a leg -------------------------------------------------------------------------------------------

    def open(self, call: str, region: str = "") -> MediaAddress | None:
        """Take ports for a call, from its region's range; None when none is free. A call that has ports keeps them."""
        line = self._lines.get(call)
        if line is None:
            line = self._new_line()
            if line is None:
                return None
            self._lines[call] = line
        return self._address(line)

    def _address(self, line: _Line) -> MediaAddress:
        return MediaAddress(self._advertised, line.rtp.number, line.rtcp.number)

    def _new_line(self) -> _Line | None:
        watch = self._watched()
        if self._pairs is None:
            return _Line(self._mux_port, self._mux_port) if self._mux_port is not None else None
        pair = self._pairs.take()
        if pair is None:
            return None
        rtp, rtcp = pair
        line = _Line(MediaPort(rtp, self._clock, self._nobody), MediaPort(rtcp, self._clock, self._nobody))
        watch.add(line.rtp)
        watch.add(line.rtcp)
        return line

    def start(self, description: LegDescription, now: float) -> None:
        """Begin the media of an opened call, or change it. Raise ValueError for a call that is not open and for what cannot be used."""
        line = self._lines.get(description.call)
        if line is None:
            raise ValueError("media was started for a call that has no port")
        for address in (description.remote, description.remote_rtcp or description.remote):
            if not numeric(address[0]) or not 0 <= address[1] <= 65535:
                raise ValueError("media goes to IP addresses and UDP ports, not to names")
        if line.leg is not None:
            line.leg.change(description)
        else:
            self._begin(line, self._make_leg(description, now))
        if self._router is not None and line.leg is not None:
            self._router.add(line.leg)

    def _begin(self, line: _Line, leg: Endpoint) -> None:
        line.leg = leg
        recording = self._new_recording(leg.description, self._address(line))
        if recording is not None:
            leg.record_to(recording)
        if line.rtp is not self._mux_port:
            line.rtp.attach(leg.receive_rtp, leg)
            line.rtcp.attach(leg.receive_rtcp, leg)
        if line.waiting is not None:
            leg.say(line.waiting, self._clock())
            line.waiting = None
        if leg.paced and not self._timers[1].running:
            self._timers[1].start(PACE_S, now=True)

    def stop(self, call: str, now: float) -> None:
        """End the media of a call: RTCP BYE, ports free at once. A call that is not open is ignored."""
        line = self._lines.pop(call, None)
        if line is None:
            return
        if line.leg is not None:
            self._say_goodbye(line, line.leg, now)
            self._keep(call, line.leg)
        if line.rtp is not self._mux_port:
            self._close(line)

    def _say_goodbye(self, line: _Line, leg: Endpoint, now: float) -> None:
        try:
            self._send_rtcp(line, leg, leg.goodbye(now))
        except Exception:
            self._log.failure("a media leg failed at its end")
        if self._router is not None:
            self._router.remove(leg)

    def _keep(self, call: str, leg: Endpoint) -> None:
        self._reports[call] = leg.report()
        if len(self._reports) > MOST_REPORTS:
            self._reports.popitem(last=False)

    def _close(self, line: _Line) -> None:
        for port in (line.rtp, line.rtcp):
            self._watched().remove(port)
            port.close()
        if self._pairs is not None:
            self._pairs.give_back(line.rtp.number)

    def say(self, call: str, prompt: Prompt | None, now: float) -> None:
        """Have a leg play a prompt, or be silent. Legs that say nothing by themselves, and calls that are not open, ignore it.

        An opened call whose leg has not begun plays the newest prompt as soon as it begins.
        """
        line = self._lines.get(call)
        if line is None:
            return
        if line.leg is not None:
            line.leg.say(prompt, now)
        else:
            line.waiting = prompt

    def leg(self, call: str) -> Endpoint | None:
        """Give the live leg of a call."""
        line = self._lines.get(call)
        return line.leg if line is not None else None

    def report(self, call: str) -> LegReport | None:
        """Give the report of a live leg, or the last one of a leg that ended not long ago; None for any other call."""
        leg = self.leg(call)
        return leg.report() if leg is not None else self._reports.get(call)

    # --- timers ------------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        """Send the RTCP that is due on any leg."""
        now = self._clock()
        for call, line in list(self._lines.items()):
            if line.leg is not None:
                try:
                    datagrams = line.leg.tick(now)
                except Exception:
                    self._switch_off(call)
                    continue
                self._send_rtcp(line, line.leg, datagrams)

    def _send_rtcp(self, line: _Line, leg: Endpoint, datagrams: list[bytes]) -> None:
        destination = leg.rtcp_destination
        for datagram in datagrams:
            if destination is None:
                line.rtp.send(datagram, leg.destination, leg)
            else:
                line.rtcp.send(datagram, destination, leg)

    def _pace(self) -> None:
        """Send the RTP that is due on any leg that goes by the clock; rest while there is none."""
        now = self._clock()
        paced = False
        for call, line in list(self._lines.items()):
            leg = line.leg
            if leg is not None and leg.paced:
                paced = True
                try:
                    datagrams = leg.due(now)
                except Exception:
                    self._switch_off(call)
                    continue
                for datagram in datagrams:
                    line.rtp.send(datagram, leg.destination, leg)
                for event in leg.take_events():
                    self._on_event(call, event)
        if not paced:
            self._timers[1].stop()

    def _switch_off(self, call: str) -> None:
        """A bug of ours must cost one leg, not the timer of all."""
        self._log.failure("a media leg failed and is switched off")
        line = self._lines[call]
        if self._router is not None and line.leg is not None:
            self._router.remove(line.leg)
        elif line.rtp is not self._mux_port:
            line.rtp.detach()
            line.rtcp.detach()
        line.leg = None

    def _nobody(self, datagram: bytes, source: Address, now: float) -> None:
        self._without_leg += 1

    # --- sums --------------------------------------------------------------------------------------------------------

    @property
    def ports_in_use(self) -> int:
        """UDP ports bound for media."""
        if self._pairs is None:
            return int(self._mux_port is not None and self._watch is not None)
        return 2 * len(self._lines)

    @property
    def ports_limit(self) -> int:
        """UDP ports that may be bound; 0 when only the system sets a limit."""
        if self._pairs is None:
            return 1
        return 2 * self._pairs.limit if self._pairs.limit is not None else 0

    @property
    def refused_datagrams(self) -> dict[str, int]:
        """Datagrams that no leg took, by reason: no leg there, or (mux mode) no key was tried on a stranger's because of the budget."""
        router = self._router
        return {
            "no_leg": self._without_leg + (router.without_leg if router is not None else 0),
            "over_budget": router.over_budget if router is not None else 0,
        }
