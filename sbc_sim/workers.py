"""The parent of several workers: forks them, passes the end on, starts anew who dies, and says so.

crew = Crew([1, 2], work, tell, grace=30.0)
told = crew.start()          # what each worker said first; raises CrewError when one could not begin
code = crew.watch()          # until a signal ends all: 0, 130 after an interrupt, 3 when one had to be killed

It knows no Twisted and has one thread, so that a fork is safe at any time and a new worker is there at once: all modules are loaded.
A line (a pair of sockets) ties each worker to its parent. DRAIN on it asks the worker to end when its calls have; its end is the order to
stop, whether the parent gave it or is gone.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

ENDED, CANNOT_RUN, INTERRUPTED = 0, 3, 130
PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds before a dead worker is started anew, growing with each death in a row."""
STEADY_SECONDS = 60.0
"""Who lived that long does not die in a row."""
START_SECONDS = 60.0
"""Longest time for the first word of a worker."""

DRAIN = b"drain\n"

Work = Callable[[int, socket.socket], int]
"""`work(number, line)`: what a worker does, in its own process, up to its exit code."""
Tell = Callable[[str, str], object]
"""`tell(level, sentence)`: levels info, warning, error."""


class CrewError(Exception):
    """Why the workers cannot begin: one sentence."""


def say(line: socket.socket, **told: object) -> None:
    """Tell the parent something, in a worker: `ready=...`, or `failed=...` with a sentence. A parent that is gone does not hear it."""
    with contextlib.suppress(OSError):
        line.sendall(json.dumps(told, default=str).encode() + b"\n")


def pause(deaths: int) -> float:
    """Tell how long to wait before the next start after so many deaths in a row, seconds."""
    return PAUSES[min(deaths, len(PAUSES)) - 1]


@dataclass(slots=True)
class _Worker:
    """One worker as its parent sees it."""

    number: int
    pid: int = 0
    """0: not running."""
    line: socket.socket | None = None
    heard: bytes = b""
    first: Mapping[str, Any] | None = None
    """What it said first, once it said so."""
    began: float = 0.0
    deaths: int = 0
    """In a row."""
    again_at: float | None = None


class Crew:
    """All workers of one parent."""

    def __init__(
        self,
        numbers: Sequence[int],
        work: Work,
        tell: Tell,
        *,
        grace: float = 30.0,
        on_change: Callable[[Mapping[int, int], Mapping[int, int]], object] = lambda pids, deaths: None,
        leash: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`grace`: seconds for an orderly end. `on_change(pids, deaths)` hears who runs, and how often each has died so far.

        `leash`: a descriptor whose end is as good as SIGTERM.
        """
        self._workers = [_Worker(number) for number in numbers]
        self._work = work
        self._tell = tell
        self._grace = grace
        self._on_change = on_change
        self._clock = clock
        self._leash = leash
        self._selector = selectors.DefaultSelector()
        self._code: int | None = None
        """Of the end that was asked for; None: none was."""
        self._begun = False
        """All were ready once: from now on who dies is started anew."""
        self._draining = False
        """Calls may go on until their end."""
        self._kill_at: float | None = None
        self._deaths = dict.fromkeys(numbers, 0)
        self._old_signals: dict[int, Any] = {}
        self._wake_read, self._wake_write = socket.socketpair()

    # --- for the command -----------------------------------------------------------------------------------------------

    def start(self) -> list[Mapping[str, Any]]:
        """Fork all workers; give what each said first, in their order. Raises CrewError with the sentence of one that could not begin."""
        self._hear_signals()
        for worker in self._workers:
            self._fork(worker)
        until = self._clock() + START_SECONDS
        while any(worker.first is None for worker in self._workers):
            self._turn(min(0.5, max(0.0, until - self._clock())))
            trouble = self._cannot_begin(until)
            if trouble is not None:
                self._end(CANNOT_RUN)
                self._watch_end()
                raise CrewError(trouble)
        self._begun = True
        self._changed()
        return [dict(worker.first or {}) for worker in self._workers]

    def watch(self) -> int:
        """Keep them running until a signal ends all; give the exit code."""
        while self._code is None:
            self._turn(self._until_next())
        self._watch_end()
        return self._code

    def end(self) -> None:
        """End all without a signal, in order."""
        self._end(ENDED)
        self._watch_end()

    def _cannot_begin(self, until: float) -> str | None:
        if self._code is not None:
            return "interrupted before all workers were ready"
        for worker in self._workers:
            if worker.first is not None and "failed" in worker.first:
                return str(worker.first["failed"])
            if worker.first is None and not worker.pid:
                return f"worker {worker.number} ended before it was ready: see the lines above"
        return None if self._clock() < until else f"the workers were not ready within {START_SECONDS:.0f} seconds"

    # --- one turn ------------------------------------------------------------------------------------------------------

    def _turn(self, seconds: float) -> None:
        """Wait for a word, a signal or the time to pass, and do what follows from it."""
        for key, _ in self._selector.select(seconds):
            if key.fd == self._leash:
                self._pulled()
            elif key.data is None:
                self._signals()
            else:
                self._hear(key.data)
        self._bury()
        now = self._clock()
        for worker in self._workers:
            if worker.again_at is not None and now >= worker.again_at and self._code is None:
                self._fork(worker)
                self._changed()

    def _until_next(self) -> float:
        due = [worker.again_at for worker in self._workers if worker.again_at is not None]
        return max(0.0, min(due) - self._clock()) if due else 60.0

    def _signals(self) -> None:
        for number in self._wake_read.recv(256):
            if number not in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                continue  # SIGCHLD: `_bury` looks
            if number != signal.SIGINT and self._code is None:
                self._drain()
            elif self._code is None or self._draining:
                self._end(INTERRUPTED if self._code is None else self._code)
            else:
                self._kill("one more signal")

    def _pulled(self) -> None:
        """Whoever started us has said something, or is gone."""
        if self._leash is not None and not os.read(self._leash, 4096):
            self._selector.unregister(self._leash)
            self._leash = None
            if self._code is None:
                self._drain()

    def _hear(self, worker: _Worker) -> None:
        data = self._received(worker)
        worker.heard += data
        *lines, worker.heard = worker.heard.split(b"\n")
        for line in lines:
            told = json.loads(line)
            if "failed" in told and worker.first is None and worker.deaths:
                self._tell("error", f"worker {worker.number} could not begin: {told['failed']}")
            elif "ready" in told and worker.deaths:
                self._tell("warning", f"worker {worker.number} is back (pid {worker.pid})")
            worker.first = told
        if not data and worker.line is not None:
            self._selector.unregister(worker.line)
            worker.line.close()
            worker.line = None

    @staticmethod
    def _received(worker: _Worker) -> bytes:
        try:
            return worker.line.recv(65536) if worker.line is not None else b""
        except OSError:
            return b""

    # --- birth and death -----------------------------------------------------------------------------------------------

    def _fork(self, worker: _Worker) -> None:
        """Start a worker. When the machine has no process or descriptor for it now, say so and try again later."""
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:
            self._not_forked(worker, error)
            return
        sys.stdout.flush()
        sys.stderr.flush()
        try:
            worker.pid = os.fork()
        except OSError as error:
            ours.close()
            theirs.close()
            self._not_forked(worker, error)
            return
        if not worker.pid:
            self._be_worker(worker.number, theirs, ours)
        theirs.close()
        ours.setblocking(False)
        worker.line, worker.first, worker.heard = ours, None, b""
        worker.began, worker.again_at = self._clock(), None
        self._selector.register(ours, selectors.EVENT_READ, worker)

    def _not_forked(self, worker: _Worker, error: OSError) -> None:
        why = f"worker {worker.number} cannot be started: {error.strerror or error} (ulimit -n and -u, or the limits of the container)"
        worker.first = worker.first if self._begun else {"failed": why}
        if self._begun:
            worker.deaths += 1
            worker.again_at = self._clock() + pause(worker.deaths)
            self._tell("error", f"{why}: tried again in {pause(worker.deaths):g} s")

    def _be_worker(self, number: int, line: socket.socket, parents: socket.socket) -> NoReturn:
        """Do the work, in the child; nothing of the parent's is left open that would keep the others from seeing its end."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number_ in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
                signal.signal(number_, signal.SIG_DFL)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a terminal that goes tells all: the parent's word is what counts
            self._selector.close()
            for sock in (parents, self._wake_read, self._wake_write, *(worker.line for worker in self._workers)):
                if sock is not None:
                    sock.close()
            code = self._work(number, line)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _bury(self) -> None:
        """See who has ended; outside of an end that was asked for, plan the next start."""
        for worker in self._workers:
            if worker.pid and os.waitpid(worker.pid, os.WNOHANG)[0]:
                self._hear_last(worker)
                self._mourn(worker)

    def _hear_last(self, worker: _Worker) -> None:
        """Read what it said before it died."""
        while worker.line is not None:
            self._hear(worker)

    def _mourn(self, worker: _Worker) -> None:
        pid, worker.pid = worker.pid, 0
        if self._code is not None or not self._begun:
            return
        worker.deaths = 1 if self._clock() - worker.began > STEADY_SECONDS else worker.deaths + 1
        self._deaths[worker.number] += 1
        seconds = pause(worker.deaths)
        worker.again_at = self._clock() + seconds
        self._tell("error", f"worker {worker.number} (pid {pid}) has died, and its calls with it: a new one starts in {seconds:g} s")
        self._changed()

    def _changed(self) -> None:
        self._on_change({worker.number: worker.pid for worker in self._workers if worker.pid}, dict(self._deaths))

    # --- the end -------------------------------------------------------------------------------------------------------

    def _drain(self) -> None:
        """Ask everybody to take no more calls and to end after the last one."""
        self._code, self._draining = ENDED, True
        self._kill_at = self._clock() + self._grace
        for worker in self._workers:
            if worker.line is not None:
                with contextlib.suppress(OSError):
                    worker.line.send(DRAIN)

    def _end(self, code: int) -> None:
        """Order everybody to stop."""
        self._code, self._draining = code, False
        self._kill_at = self._clock() + self._grace
        for worker in self._workers:
            if worker.line is not None:
                with contextlib.suppress(OSError):
                    worker.line.shutdown(socket.SHUT_WR)

    def _watch_end(self) -> None:
        while any(worker.pid for worker in self._workers):
            self._turn(0.2)
            if self._kill_at is not None and self._clock() > self._kill_at:
                self._kill(f"no end within {self._grace:g} s")
                self._code = CANNOT_RUN
        self._leave_signals()

    def _kill(self, why: str) -> None:
        self._kill_at = None
        for worker in self._workers:
            if worker.pid:
                self._tell("error", f"worker {worker.number} (pid {worker.pid}) is killed: {why}")
                os.kill(worker.pid, signal.SIGKILL)

    # --- signals -------------------------------------------------------------------------------------------------------

    def _hear_signals(self) -> None:
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        self._selector.register(self._wake_read, selectors.EVENT_READ, None)
        if self._leash is not None:
            self._selector.register(self._leash, selectors.EVENT_READ, None)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP):
            if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue  # nohup
            self._old_signals[number] = signal.signal(number, lambda number, frame: None)
        signal.set_wakeup_fd(self._wake_write.fileno(), warn_on_full_buffer=False)

    def _leave_signals(self) -> None:
        signal.set_wakeup_fd(-1)
        for number, before in self._old_signals.items():
            signal.signal(number, before)
        self._selector.close()
        self._wake_read.close()
        self._wake_write.close()
