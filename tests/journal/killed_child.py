"""Kills writers of a store in the middle of their work, again and again, and tells what each of them left behind.

python -m tests.journal.killed_child FOLDER TIMES SEED

Each writer is a process of its own, forked from this one so that it is there at once, and ended by SIGKILL at a moment that nobody
chose: while it opens the file, ends the calls of the one before, writes, clears away. All of them work on the same file. One line of JSON
for each.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.retention import FileBounds
from sbc_sim.journal.sqlite import FileOptions, SqliteStore

OPTIONS = FileOptions(FileBounds(calls=20), flush_seconds=0.002)


def write_until_killed(path: Path, run: int, tell: int) -> None:
    """Append calls without end; each entry carries its place. `tell` is the pipe for what is known to be safe."""
    store = SqliteStore(path, 0.0, options=OPTIONS, wall=lambda: 0.0, committed=lambda ordinal: _tell(tell, f"safe {ordinal}"))
    base = store.newest
    _tell(tell, f"open {base}")
    number = base
    while True:
        for kind in (Kind.CALL_STARTED, *[Kind.MESSAGE] * 20, Kind.CALL_ENDED):
            number += 1
            data = {"number": number, "state": "ended"} if kind is Kind.CALL_ENDED else {"number": number}
            store.append(Entry(1.0, kind, f"run{run}-{(number - base - 1) // 22}", data, b"x" * 300))
        time.sleep(0.001)


def _tell(pipe: int, words: str) -> None:
    os.write(pipe, words.encode() + b"\n")


def kill_one(path: Path, run: int, chance: random.Random) -> dict[str, Any]:
    """Start a writer, kill it, look at what it left."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            write_until_killed(path, run, writing)
        except BaseException as error:
            _tell(writing, f"failed {error!r}")
        finally:
            os._exit(1)
    os.close(writing)
    said = _wait(reading, chance)
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    while more := os.read(reading, 65536):
        said += more
    os.close(reading)
    lines = [line.split(" ", 1) for line in said.decode().splitlines()]
    told = {"run": run, "killed": os.WIFSIGNALED(status), "failed": [rest for word, rest in lines if word == "failed"]}
    opened = [int(rest) for word, rest in lines if word == "open"]
    safe = [int(rest) for word, rest in lines if word == "safe"]
    return told | {"base": opened[0] if opened else None, "safe": safe[-1] if safe else 0, **left_behind(path, run)}


def _wait(reading: int, chance: random.Random) -> bytes:
    """Wait for a moment: some writers are killed while they open, others after some reports and a little longer."""
    said = b""
    reports = chance.choice((0, 0, 1, 1, 2, 3, 5, 8))
    while said.count(b"\n") < reports and b"failed" not in said:
        more = os.read(reading, 4096)
        if not more:
            break
        said += more
    time.sleep(chance.uniform(0, 0.02) if reports == 0 else chance.uniform(0, 0.004))
    return said


def left_behind(path: Path, run: int) -> dict[str, Any]:
    """Look at a copy, so that the next writer has to recover the file itself."""
    copy = path.parent / "copy" / path.name
    shutil.rmtree(copy.parent, ignore_errors=True)
    copy.parent.mkdir()
    for suffix in ("", "-wal"):
        if Path(f"{path}{suffix}").exists():
            shutil.copyfile(f"{path}{suffix}", f"{copy}{suffix}")
    if not copy.exists():
        return {"integrity": "ok", "numbers": None}
    connection = sqlite3.connect(copy)
    try:
        [(integrity,)] = connection.execute("PRAGMA integrity_check").fetchall()
        try:
            rows = connection.execute(
                "SELECT json_extract(entries.data, '$.number') AS number FROM entries JOIN calls ON calls.ordinal = entries.call "
                "WHERE calls.id GLOB ? AND number IS NOT NULL ORDER BY number",
                (f"run{run}-*",),
            ).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" not in str(error):
                raise
            return {"integrity": integrity, "numbers": None}  # killed before the layout was made
        numbers = [number for (number,) in rows]
        gapless = numbers == list(range(numbers[0], numbers[-1] + 1)) if numbers else True
        return {"integrity": integrity, "gapless": gapless, "numbers": [numbers[0], numbers[-1]] if numbers else []}
    finally:
        connection.close()


def main(folder: Path, times: int, seed: int) -> None:
    chance = random.Random(seed)
    for run in range(times):
        print(json.dumps(kill_one(folder / "calls.db", run, chance)), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
