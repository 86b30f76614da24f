"""The shell: outputs carried out in order, one alarm, and faults that cost nobody else anything."""

from __future__ import annotations

import itertools
import time

import pytest
from twisted.internet.task import Clock

from sbc_sim.calls.outputs import Close, Connect, Record, Send, StartMedia, StopMedia
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.net.reactor_lag import ReactorLag
from sbc_sim.net.shell import Shell, unix_clock
from sbc_sim.rtp.leg import LegDescription, SrtpKey
from sbc_sim.sip.peer import TlsProblem

ENTRY = Entry(1.0, Kind.NOTE, None, {"text": "x"})
LEG = LegDescription("call-1", ("127.0.0.1", 4000), None, SrtpKey("s", b"k"), SrtpKey("s", b"k"))


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def dry(clock, lab, faults):
    """A shell on a clock that the test moves, with the core and logs of `lab` and no sockets."""
    shell = Shell(clock, lab.core, lab.media, lab.journal.append, now=lambda: 1000.0 + clock.seconds())
    lab.shell.lag.stop()
    return shell


def test_journal_and_media_get_what_the_core_says_in_its_order(dry, lab):
    dry.ask(lambda now: [Record(ENTRY), StartMedia(LEG), StopMedia("call-1"), Record(ENTRY)])
    assert lab.journal == [ENTRY, ENTRY]
    assert lab.media.done == [("start", "call-1"), ("stop", "call-1")]


def test_sending_to_a_connection_that_is_gone_is_ignored(dry):
    dry.ask(lambda now: [Send(7, b"x"), Close(7, "y")])
    assert dry.door_errors == 0


def test_the_core_is_told_unix_seconds(dry, clock):
    times = []
    clock.advance(5)
    dry.ask(lambda now: times.append(now) or [])
    assert times == [1005.0]


def test_the_alarm_rings_at_the_deadline_and_is_moved_with_it(dry, lab, clock):
    lab.core.deadline = 1003.0
    dry.ask(lambda now: [])
    lab.core.deadline = 1001.0
    dry.ask(lambda now: [])
    assert len(clock.getDelayedCalls()) == 1
    clock.advance(0.9)
    assert lab.core.silent()
    lab.core.on_advance = lambda now: setattr(lab.core, "deadline", None) or []
    clock.advance(0.2)
    assert lab.core.next().what == "advance"
    assert clock.getDelayedCalls() == []


def test_a_deadline_in_the_past_rings_at_once(dry, lab, clock):
    lab.core.deadline = 900.0
    dry.ask(lambda now: [])
    lab.core.on_advance = lambda now: setattr(lab.core, "deadline", None) or []
    clock.advance(0)
    assert lab.core.next().what == "advance"


def test_an_unchanged_deadline_keeps_its_alarm(dry, lab, clock):
    lab.core.deadline = 1003.0
    dry.ask(lambda now: [])
    first = clock.getDelayedCalls()
    dry.ask(lambda now: [])
    assert clock.getDelayedCalls() == first


def test_a_core_that_fails_on_time_is_logged_and_not_called_in_a_circle(dry, lab, clock, faults):
    def fail(now):
        raise RuntimeError("planted")

    lab.core.on_advance = fail
    lab.core.deadline = 1000.0
    dry.ask(lambda now: [])
    clock.pump([0.01] * 50)
    assert dry.door_errors == len(faults) == 1
    clock.advance(1.0)
    assert dry.door_errors == len(faults) == 2
    assert "planted" in faults[0]["log_failure"].getTraceback()
    faults.clear()


def test_a_fault_in_one_output_does_not_stop_the_others(dry, lab, faults):
    lab.media.start = None  # cannot be called
    dry.ask(lambda now: [StartMedia(LEG), Record(ENTRY)])
    assert lab.journal == [ENTRY]
    assert dry.door_errors == len(faults) == 1
    faults.clear()


def test_what_happens_while_outputs_are_carried_out_waits_its_turn(dry, lab):
    order = []
    lab.core.on_refused = lambda connection: order.append("refused") or [Record(ENTRY)]
    dry.ask(lambda now: [Connect(-1, "127.0.0.1", 5061, ""), StopMedia("a")])  # no dialler: refused at once
    assert lab.core.refusal().problem is TlsProblem.UNREACHABLE
    assert (order, lab.media.done, lab.journal) == (["refused"], [("stop", "a")], [ENTRY])


def test_a_core_that_fails_on_a_message_is_asked_to_give_up_what_failed_and_the_connections_go_on(lab, faults):
    def receive(connection, data, now):
        if data == b"poison":
            raise RuntimeError("planted")
        return [Send(connection, data)]

    lab.core.on_receive = receive
    with lab.tls() as bad, lab.tls() as good:
        bad.sendall(b"poison")
        for line in (good, bad):
            line.sendall(b"ping")
            assert line.recv(4) == b"ping"
    assert (lab.shell.door_errors, lab.core.abandoned) == (1, 1)
    faults.clear()


def test_a_fault_on_a_message_does_not_delay_what_is_due(dry, lab, clock, faults):
    lab.core.deadline = 1000.5
    dry.ask(lambda now: 1 / 0)
    lab.core.on_advance = lambda now: setattr(lab.core, "deadline", None) or []
    clock.advance(0.5)
    assert lab.core.next().what == "advance"
    faults.clear()


@pytest.mark.parametrize("moment", ["on_connected", "on_lost", "on_refused"])
def test_a_fault_at_any_moment_of_a_connection_is_survived(lab, faults, moment):
    def fail(connection):
        raise RuntimeError("planted")

    setattr(lab.core, moment, fail)
    lab.tcp().close()
    lab.core.next("refused")
    lab.tls().close()
    lab.core.next("connected")
    lab.core.next("lost")
    setattr(lab.core, moment, lambda connection: [])
    with lab.tls() as client:
        lab.core.next("connected")
        client.sendall(b"x")
        assert lab.core.octets(1) == b"x"
    assert lab.shell.door_errors == 1
    faults.clear()


def test_connections_that_were_accepted_have_positive_numbers(lab):
    with lab.tls(), lab.tls():
        assert [lab.core.next().connection for _ in range(2)] == [1, 2]
        assert lab.run(lambda: lab.shell.connections) == 2


def test_stopping_asks_the_core_first_waits_for_it_and_then_closes(lab):
    lab.core.at_rest = False
    lab.core.on_shutdown = lambda now: [Send(1, b"BYE")]

    def answered(connection, data, now):
        lab.core.at_rest = True
        return []

    lab.core.on_receive = answered
    with lab.tls() as client:
        lab.core.next("connected")
        stopped = []
        lab.run(lambda: lab.shell.stop(10.0).addCallback(stopped.append) and None)
        assert client.recv(10) == b"BYE"
        with pytest.raises(ConnectionRefusedError):
            lab.tcp()
        client.sendall(b"200 OK")
        assert client.recv(10) == b""
        client.unwrap()
        assert lab.core.next("shutdown")
        assert lab.core.octets(6) == b"200 OK"
        assert lab.core.next("lost").why == "shutting down"
    until = time.monotonic() + 5
    while not stopped and time.monotonic() < until:
        time.sleep(0.005)
    assert stopped == [None]


def test_stopping_does_not_wait_longer_than_its_grace(lab):
    lab.core.at_rest = False
    with lab.tls() as client:
        lab.core.next("connected")
        begun = time.monotonic()
        lab.run(lambda: lab.shell.stop(0.2) and None)
        assert client.recv(10) == b""
        assert 0.15 < time.monotonic() - begun < 3
        client.unwrap()


def test_stopping_drops_peers_that_do_not_leave(lab):
    with lab.tls():
        lab.core.next("connected")
        lab.run(lab.shell.stop, 0.0)
        assert lab.run(lambda: lab.shell.connections) == 0


def test_the_lag_of_the_reactor_is_measured():
    clock, times = Clock(), itertools.chain([0.0, 0.7, 0.7, 1.2, 1.2], itertools.repeat(1.7))
    lag = ReactorLag(clock, 0.5, monotonic=lambda: next(times))
    lag.start()
    clock.advance(0.5)  # due at 0.5, came at 0.7
    assert lag.last == pytest.approx(0.2)
    clock.advance(0.5)
    assert lag.last == 0.0
    assert lag.take_peak() == pytest.approx(0.2)
    assert lag.take_peak() == 0.0
    lag.stop()
    assert clock.getDelayedCalls() == []


def test_the_clock_tells_unix_seconds_and_never_runs_backwards():
    clock = unix_clock()
    assert abs(clock() - time.time()) < 1
    moments = [clock() for _ in range(1000)]
    assert moments == sorted(moments)
