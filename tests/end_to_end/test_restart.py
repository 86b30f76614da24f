"""What survives: a server with a store file is killed in the middle of a call, or told to end, and started again on the same file."""

from __future__ import annotations

import re
import signal
import sqlite3
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end import raw_sip
from tests.end_to_end.clients.call import ECHO_UUI
from tests.end_to_end.clients.conversation import wait_until
from tests.end_to_end.raw_sip import connected
from tests.end_to_end.server import ROOT, Server, serving

pytestmark = pytest.mark.timeout(180)

UP = ["INVITE", "100 Trying (INVITE)", "180 Ringing (INVITE)", "200 OK (INVITE)", "ACK"]


def text(server: Server, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.http_port}{path}", timeout=30) as answer:
        return str(answer.read().decode())


def call_up(server: Server, raw: raw_sip.RawSip, name: str) -> str:
    """Place a call, see it answered; returns its id."""
    raw.send(raw_sip.invite(name, ECHO_UUI))
    answer = raw.final()
    assert answer is not None
    assert answer.status == 200
    tag = re.search(r";tag=[^\s;>]+", answer.header("To") or "")
    assert tag is not None
    raw.send(raw_sip.request("ACK", name, to_tag=tag[0]))
    call = server.wait_for_call(f"{name}@partner.example", "answered")["id"]
    wait_until(lambda: "ACK" in summaries(server, call), "the ACK is in the journal")
    return str(call)


def summaries(server: Server, call: str) -> list[str]:
    return [message["summary"] for message in server.get(f"/api/v1/calls/{call}/messages")["messages"]]


def all_on_disk(server: Server) -> bool:
    health: dict[str, Any] = server.get("/api/v1/info")["store"]
    assert (health["kind"], health["durable"], health["trouble"], health["lost"]) == ("sqlite", True, "", 0)
    return bool(health["waiting"] == 0)


def test_a_call_that_was_up_when_the_server_was_killed_has_ended_by_restart_with_all_its_messages(tmp_path: Path) -> None:
    url = f"sqlite:{tmp_path / 'calls.db'}"
    with serving(tmp_path, STORE__URL=url) as server, connected(server.sip_port, server.ca) as raw:
        call = call_up(server, raw, "killed")
        before = server.get(f"/api/v1/calls/{call}/messages?secrets=show")["messages"]
        wait_until(lambda: all_on_disk(server), "everything is on disk")
        server.conversation.process.send_signal(signal.SIGKILL)
        server.conversation.process.wait(30)
    (tmp_path / "ports.json").unlink()
    with serving(tmp_path, STORE__URL=url) as server:
        server.conversation.wait_for("1 call was up when the simulator stopped the last time")
        told = server.get(f"/api/v1/calls/{call}")
        assert (told["state"], told["endedBy"], told["endReason"], told["endStatus"]) == ("ended", "sbc", "restart", None)
        assert told["endedAt"] >= told["answeredAt"]
        assert server.get(f"/api/v1/calls/{call}/messages?secrets=show")["messages"] == before
        assert [message["summary"] for message in before] == UP
        ladder = text(server, f"/api/v1/calls/{call}/ladder.txt")
        assert all(re.search(rf"\b{re.escape(summary.split(' (')[0])}\b", ladder) for summary in UP)
        assert "ended by sbc: restart" in ladder
        assert "last heard of the call at" in " ".join(ladder.replace("|", " ").replace("│", " ").split())
        assert "TLSv1.3" in ladder, "the facts of the connection are known after the restart too"
        assert [listed["id"] for listed in server.get("/api/v1/calls?status=ended")["calls"]] == [call]
        assert server.metric("sbc_sim_store_calls") == 1
        assert server.metric("sbc_sim_store_degraded") == 0


def test_a_server_that_is_told_to_end_ends_its_calls_and_writes_everything(tmp_path: Path) -> None:
    file = tmp_path / "calls.db"
    with serving(tmp_path, STORE__URL=f"sqlite:{file}", STORE__FLUSH_MS="60000") as server, connected(server.sip_port, server.ca) as raw:
        call = call_up(server, raw, "orderly")
        server.conversation.process.send_signal(signal.SIGTERM)
        answer = raw.answer()  # the BYE is passed over; the server closes after its time to wait for an answer
        assert answer is None
        assert server.conversation.process.wait(30) == 0
    assert sorted(path.name for path in tmp_path.glob("calls.db*")) == ["calls.db", "calls.db.lock"]
    with sqlite3.connect(file) as rows:
        assert rows.execute("SELECT id, state, over FROM calls").fetchall() == [(call, "ended", 1)]
        kinds = [kind for (kind,) in rows.execute("SELECT kind FROM entries ORDER BY seq")]
    assert kinds.count("message") == len(UP) + 1
    assert kinds[-1] == "call.ended"


def test_a_server_that_cannot_write_takes_calls_stays_ready_says_so_once_and_recovers(tmp_path: Path) -> None:
    file = tmp_path / "calls.db"
    with serving(tmp_path, STORE__URL=f"sqlite:{file}") as server, connected(server.sip_port, server.ca) as raw:
        other = sqlite3.connect(file, timeout=30, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")  # a real lock: nothing can be written
        call = call_up(server, raw, "unwritten")
        wait_until(lambda: server.get("/api/v1/info")["store"]["trouble"], "the trouble is told")
        health = server.get("/api/v1/info")["store"]
        assert health["waiting"] > 0
        assert "another program holds a lock on" in health["trouble"]
        assert server.metric("sbc_sim_store_degraded") == 1
        assert text(server, "/readyz")
        assert summaries(server, call) == UP
        server.conversation.wait_for("calls go on, but what happens is not on disk: another program holds a lock")
        other.rollback()
        wait_until(lambda: not server.get("/api/v1/info")["store"]["trouble"], "the store has recovered")
        wait_until(lambda: all_on_disk(server), "everything is on disk")
        server.conversation.wait_for("the store writes again: nothing was lost")
        assert server.conversation.said.count("not on disk") == 1
        assert other.execute("SELECT id FROM calls").fetchall() == [(call,)]
        other.close()


def serve(folder: Path, url: str) -> subprocess.CompletedProcess[str]:
    """Serve, where that must fail."""
    flags = ["--sip-listen=127.0.0.1:0", "--http-listen=127.0.0.1:0", "--media-listen=127.0.0.1", "--media-ports=0"]
    command = [sys.executable, "-m", "sbc_sim", "serve", *flags, f"--tls-dir={folder / 'certs'}", f"--store-url={url}"]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env={"PYTHONPATH": str(ROOT), "PATH": ""}, timeout=60)


def test_a_file_that_cannot_be_used_ends_serve_with_3_and_one_sentence(tmp_path: Path) -> None:
    ended = serve(tmp_path, f"sqlite:{tmp_path}")
    assert ended.returncode == 3
    assert "which is a folder" in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


def test_a_second_server_on_the_same_file_ends_with_3_and_names_the_first(tmp_path: Path) -> None:
    url = f"sqlite:{tmp_path / 'calls.db'}"
    with serving(tmp_path, STORE__URL=url) as server:
        ended = serve(tmp_path, url)
        assert ended.returncode == 3
        assert f"in use by another sbc-sim (pid {(tmp_path / 'calls.db.lock').read_text().strip()})" in ended.stderr
        assert server.get("/api/v1/info")["store"]["trouble"] == ""
