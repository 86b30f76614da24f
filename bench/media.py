"""CPU time of the server per echoed packet: real SRTP over loopback, the server in a process of its own.

`python -m bench.media` prints one line. The sender's packets are protected beforehand and spread evenly over each packet time, as those of
independent calls are; what it costs is not counted. The server's time is what the system has booked for its process: receiving, opening,
statistics, protecting, sending, reactor and timers, RTCP.

Machines differ, and a shared one differs from minute to minute. So the line ends with a yardstick from the same run: a bare epoll loop that
receives, opens, protects and sends, and does nothing else.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import itertools
import json
import select
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from sbc_sim.rtp.audio import tone
from sbc_sim.rtp.leg import LegDescription, MediaConduct, Prompt, SrtpKey
from sbc_sim.rtp.packet import RtpPacket, build
from sbc_sim.rtp.srtp import PROFILES, SrtpReceiver, SrtpSender

PTIME_S = 0.02
FRAME = 160
WARM_UP_S = 1.0
SOCKETS = 8
"""From which the sender sends: their buffers hold what comes back while the sender waits for a processor."""
GRAIN_S = 0.001
"""How long the sender sleeps between the packets that are due."""


def key(suite: str, label: str) -> SrtpKey:
    """Make the key of one direction of one call, the same in both processes."""
    return SrtpKey(suite, hashlib.sha512(label.encode()).digest()[: PROFILES[suite][1]])


def serve(calls: int, suite: str, mode: str, remotes: list[int], capture: bool, conduct: MediaConduct) -> None:
    """Be the server: print the ports, then echo, or talk as an agent, to `remotes` in turn until killed."""
    from twisted.internet import reactor

    from sbc_sim.net.media_udp import MediaPlane
    from sbc_sim.net.recordings import RecordingLimits, Recordings
    from sbc_sim.rtp.legs import make_leg

    # Rings so small that the run fills them and goes on in their second half, where each packet costs most.
    recordings = Recordings(RecordingLimits(media_seconds=1.0, octets=1 << 30), time.time, enabled=capture)
    plane = MediaPlane(reactor, "127.0.0.1", "127.0.0.1", "0", mode, clock=time.time, make_leg=make_leg, new_recording=recordings.new)
    plane.listen()
    spoken = Prompt("a minute", b"".join(itertools.islice(tone(1), 50)) * 60)
    ports = []
    for n in range(calls):
        address = plane.open(str(n))
        if address is None:
            raise SystemExit("no more ports: raise the limit of open files")
        ports.append(address.rtp_port)
        keys = key(suite, f"up {n}"), key(suite, f"down {n}")
        remote = ("127.0.0.1", remotes[n % len(remotes)])
        plane.start(LegDescription(str(n), remote, None, *keys, ssrc=0x5000 + n, first_sequence=n, conduct=conduct), time.time())
        plane.say(str(n), spoken, time.time())
    print(json.dumps(ports), flush=True)
    reactor.run()


def serve_bare(calls: int, suite: str) -> None:
    """Be the yardstick: no reactor, no statistics, no numbers of our own."""
    epoll, lines, ports = select.epoll(), {}, []
    for n in range(calls):
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        epoll.register(udp, select.EPOLLIN)
        lines[udp.fileno()] = udp, SrtpReceiver(key(suite, f"up {n}")).open, SrtpSender(key(suite, f"down {n}")).protect
        ports.append(udp.getsockname()[1])
    print(json.dumps(ports), flush=True)
    while True:
        for descriptor, _ in epoll.poll():
            udp, unprotect, protect = lines[descriptor]
            datagram, source = udp.recvfrom(2048)
            udp.sendto(protect(unprotect(datagram)), source)


def protected_packets(calls: int, suite: str, count: int) -> list[list[bytes]]:
    """Make each call's packets, ready to send. All calls send the same second of audio."""
    frames = list(itertools.islice(tone(1), 50))
    packets = []
    for n in range(calls):
        sender = SrtpSender(key(suite, f"up {n}"))
        clear = (build(RtpPacket(0, i, i * FRAME, 0x9000 + n, frames[i % 50])) for i in range(count))
        packets.append([packet for packet in map(sender.protect, clear) if isinstance(packet, bytes)])
    return packets


class Load:
    """Sends everything on time from some sockets and counts what comes back."""

    def __init__(self, sockets: list[socket.socket], ports: list[int], packets: list[list[bytes]]) -> None:
        """Take the server's port and the packets of each call."""
        self.sockets = sockets
        self.targets = [("127.0.0.1", port) for port in ports]
        self.packets = packets
        self.sent = 0
        self.returned = 0
        self.last_returned = b""

    def run(self, first: int, last: int) -> None:
        """Send the packets from number `first` to before `last` of each call."""
        calls = len(self.packets)
        began, total, done = time.perf_counter(), (last - first) * calls, 0
        while done < total:
            due = min(total, int((time.perf_counter() - began) / PTIME_S * calls))
            for step in range(done, due):
                call = step % calls
                with contextlib.suppress(BlockingIOError):
                    udp = self.sockets[call % len(self.sockets)]
                    udp.sendto(self.packets[call][first + step // calls], self.targets[call])
                    self.sent += 1
            done = due
            self.drain()
            time.sleep(GRAIN_S)

    def drain(self) -> None:
        """Read what has come back. Nobody sleeps on the socket: to wake a sleeper of its own machine costs a server several
        microseconds, and those whom a real one serves are elsewhere.
        """
        for udp in self.sockets:
            with contextlib.suppress(BlockingIOError):
                while True:
                    datagram = udp.recv(2048)
                    if datagram[1] < 192:  # no RTCP
                        self.last_returned = datagram
                        self.returned += 1


def settle(load: Load) -> None:
    """Wait for the last packets."""
    time.sleep(0.2)
    load.drain()


def cpu_seconds(pid: int) -> float:
    """Give the processor time that the system has booked for a process."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


@dataclass(frozen=True)
class Cost:
    """What one run gave."""

    microseconds: float
    per_second: float
    share: float
    """Of the packets sent, those that came back."""


def measure(calls: int = 200, seconds: float = 5.0, suite: str = "AES_CM_128_HMAC_SHA1_80", mode: str = "ports") -> str:
    """Run both and give the line."""
    ours, bare = run(calls, seconds, suite, mode), run(calls, seconds, suite, "bare")
    return (
        f"media: {ours.microseconds:.1f} us of CPU per echoed packet"
        f" ({calls} calls, {ours.per_second:,.0f} packets/s, {ours.share:.1%} came back, {suite}, {mode} mode;"
        f" a bare loop: {bare.microseconds:.1f} us)"
    )


def measure_capture(calls: int = 200, seconds: float = 3.0, suite: str = "AES_CM_128_HMAC_SHA1_80", rounds: int = 3) -> str:
    """Run with captures on and off in turn, in both modes, and give the line: the least of each, since others only ever add."""
    texts = []
    for mode in ("ports", "mux"):
        pairs = [(run(calls, seconds, suite, mode, capture=True), run(calls, seconds, suite, mode)) for _ in range(rounds)]
        on, off = (min(cost.microseconds for cost in costs) for costs in zip(*pairs, strict=True))
        texts.append(f"{on / off:.2f} in {mode} mode ({on:.1f} to {off:.1f} us)")
    return f"capture on/off ratio: {', '.join(texts)} of CPU per echoed packet ({calls} calls; at most 1.25 is wanted)"


def measure_agent(calls: int = 200, seconds: float = 3.0, suite: str = "AES_CM_128_HMAC_SHA1_80", rounds: int = 3) -> str:
    """Run echo and agent in turn and give the line: the least of each. An agent talks and listens: a packet out for each one in."""
    pairs = [(run(calls, seconds, suite, "ports", kind="agent"), run(calls, seconds, suite, "ports")) for _ in range(rounds)]
    agent, echo = (min(cost.microseconds for cost in costs) for costs in zip(*pairs, strict=True))
    return f"agent/echo ratio: {agent / echo:.2f} ({agent:.1f} to {echo:.1f} us) of CPU per packet ({calls} calls; at most 1.30 is wanted)"


def measure_faults(calls: int = 200, seconds: float = 3.0, suite: str = "AES_CM_128_HMAC_SHA1_80", rounds: int = 3) -> str:
    """Run the echo behind bad networks and plain in turn and give the line: the least of each."""
    texts = []
    for faults in ("loss=0.01", "jitter=30"):
        pairs = [(run(calls, seconds, suite, "ports", faults=faults), run(calls, seconds, suite, "ports")) for _ in range(rounds)]
        faulty, plain = (min(cost.microseconds for cost in costs) for costs in zip(*pairs, strict=True))
        texts.append(f"{faulty / plain:.2f} with {faults} ({faulty:.1f} to {plain:.1f} us)")
    return f"faults/echo ratio: {', '.join(texts)} of CPU per echoed packet ({calls} calls; at most 1.30 is wanted)"


def faults_of(text: str) -> tuple[tuple[str, float], ...]:
    """Read loss=0.01,jitter=30."""
    return tuple((name, float(strength)) for name, _, strength in (word.partition("=") for word in text.split(",") if word))


def run(calls: int, seconds: float, suite: str, mode: str, *, capture: bool = False, kind: str = "echo", faults: str = "") -> Cost:
    """Start a server, load it, and see what it costs."""
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(SOCKETS)]
    for udp in sockets:
        udp.setblocking(False)
        udp.bind(("127.0.0.1", 0))
    numbers = ",".join(str(udp.getsockname()[1]) for udp in sockets)
    command = [sys.executable, "-m", "bench.media", "--serve", numbers, "--calls", str(calls)]
    command += ["--suite", suite, "--mode", mode, "--kind", kind, "--faults", faults, *(["--capture"] if capture else [])]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        ports = json.loads(server.stdout.readline())
        warm, count = int(WARM_UP_S / PTIME_S), int((WARM_UP_S + seconds) / PTIME_S)
        load = Load(sockets, ports, protected_packets(calls, suite, count))
        load.run(0, warm)
        settle(load)
        before, sent, returned = cpu_seconds(server.pid), load.sent, load.returned
        began = time.perf_counter()
        load.run(warm, count)
        settle(load)
        took = time.perf_counter() - began
        spent, sent, returned = cpu_seconds(server.pid) - before, load.sent - sent, load.returned - returned
    finally:
        server.kill()
        server.wait()
        for udp in sockets:
            udp.close()
    check_echo(load.last_returned, calls, suite)
    return Cost(spent / returned * 1e6, returned / took, returned / sent)


def check_echo(packet: bytes, calls: int, suite: str) -> None:
    """Raise AssertionError unless the packet is an echo that one of our keys opens."""
    opened = (SrtpReceiver(key(suite, f"down {n}")).open(packet) for n in range(calls))
    frames = list(itertools.islice(tone(1), 50))
    assert any(isinstance(clear, bytes) and clear[12:] in frames for clear in opened), "what came back is no echo"


def main() -> None:
    """Read the arguments and print the line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--suite", choices=list(PROFILES), default="AES_CM_128_HMAC_SHA1_80")
    parser.add_argument("--mode", choices=["ports", "mux", "bare"], default="ports")
    parser.add_argument("--kind", choices=["echo", "agent"], default="echo", help="agent: compare it with the echo")
    parser.add_argument("--faults", default="", help="media faults of the legs, as loss=0.01,jitter=30: compare them with the echo")
    parser.add_argument("--capture", action="store_true", help="measure what captures cost")
    parser.add_argument("--serve", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve and options.mode == "bare":
        serve_bare(options.calls, options.suite)
    elif options.serve:
        remotes = [int(port) for port in options.serve.split(",")]
        serve(options.calls, options.suite, options.mode, remotes, options.capture, MediaConduct(options.kind, faults_of(options.faults)))
    elif options.kind == "agent":
        print(measure_agent(options.calls, options.seconds, options.suite))
    elif options.faults:
        print(measure_faults(options.calls, options.seconds, options.suite))
    elif options.capture:
        print(measure_capture(options.calls, options.seconds, options.suite))
    else:
        print(measure(options.calls, options.seconds, options.suite, options.mode))


if __name__ == "__main__":
    main()
