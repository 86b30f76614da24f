"""`serve --workers 2`, whole: partners reach either worker by one port, each has its calls, and any worker's API tells of all."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.request import Request, urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sbc_sim.http.elsewhere import MARK
from tests.end_to_end import raw_sip
from tests.end_to_end.clients.call import ECHO_UUI
from tests.end_to_end.clients.conversation import wait_until
from tests.end_to_end.raw_sip import connected
from tests.end_to_end.server import PATIENT, ROOT, SETTINGS, Server, serving
from tests.support.event_stream import following

pytestmark = pytest.mark.timeout(180)


class Workers:
    """The server, and what its ports file says of the workers."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.ports: dict[str, Any] = json.loads((folder / "ports.json").read_text())

    @property
    def sip(self) -> list[int]:
        """The SIP port of each worker alone."""
        return [worker["sip"] for worker in self.ports["workers"]]

    def pid(self, number: int) -> int:
        """The process that a worker began as."""
        return int(self.ports["workers"][number - 1]["pid"])

    def samples(self, name: str, labels: Mapping[str, str] = MappingProxyType({})) -> dict[str, float]:
        """The values of a metric with these labels by worker, as whichever worker is asked tells them."""
        with urlopen(f"http://127.0.0.1:{self.server.http_port}/metrics", timeout=30) as answer:
            families = text_string_to_metric_families(answer.read().decode())
        found: dict[str, float] = {}
        wanted = {"__name__": name, **labels}
        every = (sample for family in families for sample in family.samples)
        for sample in (sample for sample in every if wanted.items() <= {"__name__": sample.name, **sample.labels}.items()):
            found[sample.labels["worker"]] = found.get(sample.labels["worker"], 0.0) + sample.value
        return found


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    folder = tmp_path_factory.mktemp("workers")
    with serving(folder, WORKERS__COUNT="2", **PATIENT) as server:
        yield Workers(server, folder)


def call_up(raw: raw_sip.RawSip, name: str) -> tuple[str, int]:
    """Place a call and see it answered; gives the tag for To, and the port that Contact names."""
    raw.send(raw_sip.invite(name, ECHO_UUI))
    answer = raw.final()
    assert answer is not None
    assert answer.status == 200, answer.head
    tag = re.search(r";tag=[^\s;>]+", answer.header("To") or "")
    contact = re.search(r":(\d+);transport=tls", answer.header("Contact") or "")
    assert tag is not None
    assert contact is not None, answer.head
    raw.send(raw_sip.request("ACK", name, to_tag=tag[0]))
    return tag[0], int(contact[1])


def test_contact_names_the_port_of_the_worker_that_has_the_call_whichever_port_the_partner_called(workers: Workers) -> None:
    assert len(set(workers.sip)) == 2
    assert workers.server.sip_port not in workers.sip
    for number, port in enumerate(workers.sip):
        with connected(port, workers.server.ca) as raw:
            assert call_up(raw, f"own-{number}")[1] == port
    with connected(workers.server.sip_port, workers.server.ca) as raw:
        assert call_up(raw, "common")[1] in workers.sip


def test_firewall_lines_name_the_port_of_each_worker_and_the_media_ports_of_all(workers: Workers) -> None:
    lines = workers.server.get("/api/v1/setup")["allowList"]
    tcp = [line["ports"] for line in lines if (line["protocol"], line["direction"]) == ("tcp", "in")]
    assert tcp == [str(port) for port in (workers.server.sip_port, *workers.sip)]


def test_a_bye_on_a_new_connection_to_the_contact_ends_the_call(workers: Workers) -> None:
    with connected(workers.server.sip_port, workers.server.ca) as raw:
        tag, port = call_up(raw, "moved")
    with connected(port, workers.server.ca) as again:
        again.send(raw_sip.request("BYE", "moved", cseq=2, to_tag=tag))
        answer = again.final()
        assert answer is not None
        assert answer.status == 200, answer.head


def test_both_workers_get_connections_by_the_common_port(workers: Workers) -> None:
    with ExitStack() as held:
        ports: set[int] = set()
        for number in range(64):  # each comes to either worker: that all come to one has a chance of 2 to the power of -63
            raw = held.enter_context(connected(workers.server.sip_port, workers.server.ca))
            ports.add(call_up(raw, f"spread-{number}")[1])
            if ports == set(workers.sip):
                break
        assert ports == set(workers.sip)


def test_a_call_with_audio_passes_at_either_worker(workers: Workers) -> None:
    for port in workers.sip:
        words = ["call", f"tls:127.0.0.1:{port}", "--ca", str(workers.server.ca), "--seconds", "1.5", "--json"]
        ran = subprocess.run(
            [sys.executable, "-m", "sbc_sim", *words], env={"PYTHONPATH": str(ROOT)}, capture_output=True, timeout=60, check=False
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr


def test_whichever_worker_is_asked_counts_what_came_to_both(workers: Workers) -> None:
    name, label = "sbc_sim_sip_requests_total", {"method": "PUBLISH"}
    with connected(workers.sip[0], workers.server.ca) as one, connected(workers.sip[1], workers.server.ca) as two:
        for raw, times in ((one, 1), (two, 2)):
            for number in range(times):
                raw.send(raw_sip.request("PUBLISH", f"counted-{times}-{number}"))
                assert raw.final() is not None
        for _ in range(4):  # each request comes to either worker
            wait_until(lambda: workers.samples(name, label) == {"1": 1.0, "2": 2.0}, "all three count")


def test_whichever_worker_is_asked_shows_and_ends_the_calls_of_both_and_gives_their_captures(workers: Workers) -> None:
    server = workers.server
    with connected(workers.sip[0], server.ca) as one, connected(workers.sip[1], server.ca) as two:
        for raw, name in ((one, "asked-1"), (two, "asked-2")):
            call_up(raw, name)
            call = server.wait_for_call(f"{name}@partner.example", "answered")
            assert call["replica"] in [replica["name"] for replica in server.get("/api/v1/info")["replicas"]]
            server.post(f"/api/v1/calls/{call['id']}/hangup")
            take_bye(raw)
            asked = [server.wait_for_call(f"{name}@partner.example", "ended") for _ in range(6)]  # each request comes to either worker
            assert all(answer == asked[0] for answer in asked)
            path = f"/api/v1/calls/{call['id']}/capture.pcapng"
            from_afar = {MARK: "a replica elsewhere"}  # it knows the workers' common address only
            captures = {octets(server, path, headers) for _ in range(6) for headers in ({}, from_afar)}
            assert len(captures) == 1
            assert b"CLIENT_TRAFFIC_SECRET_0" in captures.pop(), "with the TLS secrets, which are in the memory of one worker"


def take_bye(raw: raw_sip.RawSip) -> None:
    """Read the BYE that comes, and answer it."""
    first, *lines = raw.request().split("\r\n")
    assert first.startswith("BYE ")
    same = [line for line in lines if line.lower().startswith(("via:", "from:", "to:", "call-id:", "cseq:"))]
    raw.send("\r\n".join(["SIP/2.0 200 OK", *same, "Content-Length: 0", "", ""]).encode())


def octets(server: Server, path: str, headers: Mapping[str, str] = MappingProxyType({})) -> bytes:
    with urlopen(Request(f"http://127.0.0.1:{server.http_port}{path}", headers=dict(headers)), timeout=30) as answer:
        return bytes(answer.read())


def test_whichever_worker_is_asked_waits_for_the_calls_of_both(workers: Workers) -> None:
    with connected(workers.sip[0], workers.server.ca) as one, connected(workers.sip[1], workers.server.ca) as two:
        call_up(one, "shown-1")
        call_up(two, "shown-2")
        for _ in range(4):  # each request comes to either worker
            owners = {workers.server.wait_for_call(f"{name}@partner.example", "answered")["replica"] for name in ("shown-1", "shown-2")}
            assert len(owners) == 2


def test_events_tell_of_the_calls_of_both_whichever_worker_tells(workers: Workers) -> None:
    server = workers.server
    with following(server.http_port) as stream:
        stream.opened()
        with connected(workers.sip[0], server.ca) as one, connected(workers.sip[1], server.ca) as two:
            call_up(one, "told-1")
            call_up(two, "told-2")
            missing = {"told-1@partner.example", "told-2@partner.example"}
            for name, data in stream.events():
                missing -= {data.get("sipCallId")} if name == "call.updated" and data["state"] == "answered" else set()
                if not missing:
                    break
        assert not missing


def answered_in(file: Path) -> int:
    """How many calls stand in a store's file as answered."""
    with closing(sqlite3.connect(file)) as database:
        return int(database.execute("SELECT count(*) FROM calls WHERE state = 'answered'").fetchone()[0])


def test_a_worker_that_was_killed_is_back_on_its_own_port_and_the_other_kept_its_calls(tmp_path: Path) -> None:
    file = tmp_path / "calls.db"
    quick = {"REPLICAS__HEARTBEAT_SECONDS": "0.5", "REPLICAS__LOST_SECONDS": "3", "STORE__URL": f"sqlite:{file}"}
    with serving(tmp_path, WORKERS__COUNT="2", LOG__FORMAT="console", **quick) as server:
        workers = Workers(server, tmp_path)
        with connected(workers.sip[0], server.ca) as kept, connected(workers.sip[1], server.ca) as lost:
            tag, _ = call_up(kept, "kept")
            call_up(lost, "lost")
            wait_until(lambda: answered_in(file) == 2, "both calls are in the file")
            os.kill(workers.pid(2), signal.SIGKILL)
            server.conversation.wait_for(
                rf"error: worker 2 \(pid {workers.pid(2)}\) has died, and its calls with it: a new one starts in 0.5 s"
            )
            server.conversation.wait_for(r"warning: worker 2 is back \(pid \d+\)")
            with connected(workers.sip[1], server.ca) as again:
                assert call_up(again, "again")[1] == workers.sip[1]
            ended = server.wait_for_call("lost@partner.example", "ended")
            assert (ended["endedBy"], ended["endReason"]) == ("sbc", "lost")
            assert server.wait_for_call("kept@partner.example", "answered")["state"] == "answered"
            kept.send(raw_sip.request("BYE", "kept", cseq=2, to_tag=tag))
            answer = kept.final()
            assert answer is not None
            assert answer.status == 200, answer.head
        wait_until(lambda: workers.samples("sbc_sim_worker_deaths_total") == {"1": 0.0, "2": 1.0}, "the metrics tell of the death")
        assert workers.samples("sbc_sim_worker_up") == {"1": 1.0, "2": 1.0}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGHUP, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_the_calls_of_both_with_bye_and_leaves_nothing_behind(
    tmp_path: Path, number: int, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "tmp"
    own.mkdir()
    monkeypatch.setenv("TMPDIR", str(own))
    with serving(tmp_path, WORKERS__COUNT="2") as server:
        workers = Workers(server, tmp_path)
        assert len(list(own.glob("sbc-sim-*"))) == 1
        with connected(workers.sip[0], server.ca) as one, connected(workers.sip[1], server.ca) as two:
            for raw, name in ((one, "last-1"), (two, "last-2")):
                call_up(raw, name)
            server.conversation.process.send_signal(number)
            for raw in (one, two):
                head = raw.request()
                assert head.startswith("BYE ")
                assert "\nReason: " in head
                raw.close()
        assert server.conversation.process.wait(60) == code
    assert list(own.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_the_workers_begin_leaves_no_folder_behind(tmp_path: Path, number: int) -> None:
    own = tmp_path / "tmp"
    own.mkdir()
    there = {name: value for name, value in os.environ.items() if not name.startswith("SBC_SIM_")}
    environment = {**there, **SETTINGS, "SBC_SIM_TLS__DIR": str(tmp_path / "certs"), "PYTHONPATH": str(ROOT), "TMPDIR": str(own)}
    with subprocess.Popen(
        [sys.executable, "-m", "sbc_sim", "serve", "--workers", "2"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as parent:
        wait_until(lambda: bool(list(own.glob("sbc-sim-*"))), "the folder is there")
        parent.send_signal(number)
        assert parent.wait(60) in (128 + number, 3)  # before the workers are forked, or while they begin
    assert not list(own.glob("sbc-sim-*"))


def test_no_worker_outlives_a_parent_that_was_killed_and_their_calls_get_bye(tmp_path: Path) -> None:
    with serving(tmp_path, WORKERS__COUNT="2") as server:
        workers = Workers(server, tmp_path)
        with connected(workers.sip[1], server.ca) as raw:
            call_up(raw, "orphaned")
            server.conversation.process.kill()
            assert raw.request().startswith("BYE ")
            raw.close()
        wait_until(lambda: not any(Path(f"/proc/{workers.pid(number)}").exists() for number in (1, 2)), "both workers have ended")


def start(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `serve` with what cannot work; it must end by itself."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("SBC_SIM_")}
    environment = {**own, **SETTINGS, "SBC_SIM_TLS__DIR": str(folder / "certs"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "sbc_sim", "serve", "--workers", "2", *words]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, timeout=60, check=False, text=True)


def test_media_ports_that_are_too_few_are_refused_as_settings_before_anything_starts(tmp_path: Path) -> None:
    ended = start(tmp_path, "--media-ports", "31000-31002")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        "sbc-sim: media.ports (flag --media-ports): 31000-31002 is too few for 2 workers (an even port and the one above it for each "
        "call): make it 31000-31003 or larger, or set workers.count lower\n"
    )


def test_a_port_that_another_program_has_is_named_with_its_setting(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        for flag, key, what in (("--sip-listen", "sip.listen", "SIP"), ("--http-listen", "http.listen", "HTTP")):
            ended = start(tmp_path, flag, f"127.0.0.1:{port}")
            assert ended.returncode == 3, ended.stderr
            assert f"sbc-sim: cannot listen for {what} on 127.0.0.1 port {port}: Address already in use; " in ended.stderr
            assert f"or set {key} to another port" in ended.stderr


def test_what_keeps_the_workers_from_beginning_is_said_once(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1] & ~1
        ended = start(tmp_path, "--media-mode", "mux", "--media-ports", f"{port}-{port + 1}")
    assert ended.returncode == 3, ended.stderr
    assert ended.stderr.count("cannot listen for media on 127.0.0.1 port") == 1
    assert "Traceback" not in ended.stderr
