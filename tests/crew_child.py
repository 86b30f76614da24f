"""A parent with two workers that only wait for their line to end, for tests/test_crew.py: it prints what happens, one JSON each line.

Arguments: what goes wrong, the file in which worker 2 counts its starts, and the seconds for an orderly end.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from sbc_sim.workers import Crew, CrewError, say


def tell(**what: object) -> None:
    os.write(1, json.dumps(what).encode() + b"\n")  # one write: two workers may tell at the same time


class FewFiles:
    """What the parent tells; and its descriptors, which are too few at its start, or until a worker could not be started again."""

    def __init__(self, wrong: str) -> None:
        self.wrong, self.most = wrong, resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        if wrong == "few-files-at-once":
            self.allow(8)

    def allow(self, files: int) -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, self.most))

    def change(self, pids: Mapping[int, int], deaths: Mapping[int, int]) -> None:
        tell(pids=pids, deaths=deaths)
        if self.wrong == "few-files":
            self.allow(3)

    def told(self, level: str, text: str) -> None:
        tell(level=level, text=text)
        if "cannot be started" in text:
            self.wrong = ""
            self.allow(self.most)


def main(wrong: str, starts: Path, grace: float) -> int:
    def work(number: int, line: socket.socket) -> int:
        begun = len(starts.read_bytes()) if starts.exists() else 0
        if number == 2:
            with starts.open("ab") as file:
                file.write(b".")
        if number == 2 and wrong == "cannot-begin":
            say(line, failed="no port is free")
            return 3
        if number == 2 and (wrong == "raises" or (wrong == "raises-again" and begun == 1)):
            raise RuntimeError("a bug of ours")
        if wrong == "deaf":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        say(line, ready=number)
        word = line.recv(16)
        if word:
            tell(word=word.decode(), worker=number)
        if wrong == "has-calls":
            while line.recv(16):
                pass
        if wrong == "deaf":
            time.sleep(600)
        tell(stopped=number)
        return 0

    few = FewFiles(wrong)
    crew = Crew(
        [1, 2],
        work,
        few.told,
        grace=grace,
        on_change=few.change,
        leash=0,
    )
    try:
        tell(first=crew.start(), parent=os.getpid())
    except CrewError as error:
        tell(error=str(error))
        return 3
    code = crew.watch()
    tell(code=code)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])))
