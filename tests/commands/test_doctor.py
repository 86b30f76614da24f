"""`doctor` as a process: real ports, certificates and calls. What cannot be had on every machine is asked of the checks themselves."""

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest

from sbc_sim.client import Client
from sbc_sim.commands.examination import check_clock, check_descriptors, check_expiry, check_store, covers
from sbc_sim.commands.loop_call import Outcome, judged
from sbc_sim.commands.reachability import check_advertised, check_unset, check_ways_in, other_ways_in, reach_of
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.sqlite import SqliteStore
from sbc_sim.net import certificates
from sbc_sim.net.certificates import Flaw
from sbc_sim.partner.partner_call import CallResult
from sbc_sim.rtp.play import EchoProof
from sbc_sim.settings import Settings
from tests.end_to_end.server import ROOT, serving
from tests.support.podman import free_ports

pytestmark = pytest.mark.timeout(180)
SHORT = ("--seconds", "1")
"""Too short for a proof of the echo, long enough for a call: the verdict then warns."""
LOCAL = ("--sip-listen", "127.0.0.1:0", "--media-listen", "127.0.0.1", "--media-ports", "0", "--http-listen", "127.0.0.1:0")
NOW = datetime(2026, 6, 1, tzinfo=UTC)


PATIENT = ("--media-max-jitter-ms", "1e6", "--media-max-first-packet-ms", "1e6", "--media-max-echo-delay-ms", "1e6")
"""A busy machine is no reason for a warning."""


def doctor(folder: Path, *flags: str, local: bool = True) -> subprocess.CompletedProcess:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SBC_SIM_")}
    words = [sys.executable, "-m", "sbc_sim", "doctor", *(LOCAL if local else ()), *flags]
    environment |= {"PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=55, check=False)


def told(done: subprocess.CompletedProcess) -> dict[str, dict[str, str]]:
    """The checks of `--json` by their names."""
    assert "Traceback" not in done.stderr, done.stderr
    return {check["name"]: check for check in json.loads(done.stdout)["checks"]}


def own(folder: Path, flaw: Flaw | None = None, names: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Flags for a certificate of one's own, perhaps with a flaw."""
    (folder / "own").mkdir()
    made = certificates.issue_flawed(folder / "ca", flaw, names) if flaw else certificates.load(certificates.ensure(folder / "ca", names))
    (folder / "own" / "cert.pem").write_bytes(made.certificate_pem())
    (folder / "own" / "key.pem").write_bytes(made.key_pem())
    return "--tls-cert-file", str(folder / "own" / "cert.pem"), "--tls-key-file", str(folder / "own" / "key.pem")


def test_where_all_is_fine_every_check_and_a_call_pass(tmp_path):
    done = doctor(tmp_path, *PATIENT, "--json")
    checks = told(done)
    assert done.returncode == 0, done.stdout
    assert not [check for check in checks.values() if check["status"] in ("fail", "skip")]
    assert checks["loop call"]["status"] == "pass"
    assert "0 altered, 0 lost" in checks["loop call"]["seen"]
    assert json.loads(done.stdout)["verdict"]["status"] == "pass"
    allowed = json.loads(done.stdout)["allowList"]
    assert {(line["direction"], line["protocol"]) for line in allowed} == {("in", "tcp"), ("in", "udp"), ("out", "udp"), ("out", "tcp")}


def test_the_text_names_each_check_its_cure_and_what_to_allow(tmp_path):
    ports = free_ports("127.0.0.1", 20)[2]
    done = doctor(tmp_path, *SHORT, "--media-ports", ports)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert any(line.startswith("warn  loop call") for line in lines), "too short for a proof"
    assert "cure: set sip.advertised to an address by which partners reach" in " ".join(done.stdout.split())
    assert any(line.split()[:4] == ["in", "udp", "127.0.0.1", ports] for line in lines)
    assert max(len(line) for line in lines[: lines.index("")] if len(line.split()[-1]) < 60) <= 100, (
        "what can be broken is, what is to be copied is not"
    )


def test_a_sip_port_of_another_program_fails_with_its_cure_and_no_call_is_tried(tmp_path):
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        port = other.getsockname()[1]
        done = doctor(tmp_path, "--sip-listen", f"127.0.0.1:{port}", "--json")
    checks = told(done)
    assert done.returncode == 1
    assert checks["SIP port"]["status"] == "fail"
    assert f"sport = :{port}" in checks["SIP port"]["cure"]
    assert checks["loop call"] == {"name": "loop call", "status": "skip", "seen": "not tried: see SIP port above", "cure": ""}


def test_an_http_port_of_another_program_fails_but_the_call_is_tried(tmp_path):
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        done = doctor(tmp_path, *SHORT, "--http-listen", f"127.0.0.1:{other.getsockname()[1]}", "--json")
    checks = told(done)
    assert done.returncode == 1
    assert (checks["HTTP port"]["status"], checks["loop call"]["status"]) == ("fail", "warn")


def test_media_ports_that_are_taken_leave_less_room_or_none(tmp_path):
    with ExitStack() as held:
        ports = taken_range(held)
        some = told(doctor(tmp_path, *SHORT, "--media-ports", f"{ports[0]}-{ports[-1]}", "--json"))["media ports"]
        none = doctor(tmp_path, "--media-ports", f"{ports[0]}-{ports[1]}", "--json")
    assert (some["status"], "room for 1 call at" in some["seen"]) == ("warn", True), some
    assert none.returncode == 1
    assert told(none)["media ports"]["status"] == "fail"
    assert told(none)["loop call"]["status"] == "skip"


def taken_range(held: ExitStack) -> list[int]:
    """Four ports in a row that begin with an even one; the first pair is held, the second free."""
    for first in range(20_000 + os.getpid() % 500 * 4, 30_000, 4):
        with ExitStack() as trial:
            try:
                for port in range(first, first + 4):
                    probe = trial.enter_context(closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)))
                    probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        for port in (first, first + 1):
            held.enter_context(closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))).bind(("127.0.0.1", port))
        return list(range(first, first + 4))
    raise AssertionError("no four ports in a row")


def test_an_expired_certificate_of_ones_own_fails_with_its_date(tmp_path):
    done = doctor(tmp_path, *own(tmp_path, Flaw.EXPIRED), "--json")
    checks = told(done)
    assert done.returncode == 1
    assert "expired on 20" in checks["certificate"]["seen"]
    assert checks["loop call"]["status"] == "skip"


def test_a_key_of_another_certificate_fails(tmp_path):
    flags = own(tmp_path)
    other = certificates.load(certificates.ensure(tmp_path / "other"))
    (tmp_path / "own" / "key.pem").write_bytes(other.key_pem())
    assert "does not belong to the certificate" in told(doctor(tmp_path, *flags, "--json"))["certificate"]["seen"]


def test_a_certificate_for_another_name_fails_and_so_does_the_call_that_checks_it(tmp_path):
    done = doctor(tmp_path, *own(tmp_path, Flaw.WRONG_NAME), "--json", "--ca", str(tmp_path / "ca" / "ca.pem"))
    checks = told(done)
    assert done.returncode == 1
    assert checks["certificate names"]["status"] == "fail"
    assert "--tls-names 127.0.0.1" in checks["certificate names"]["cure"]
    assert checks["loop call"]["status"] == "fail"
    assert "--tls-names" in checks["loop call"]["cure"]


def test_an_unknown_root_is_cured_by_no_name(tmp_path):
    flags = own(tmp_path, names=("127.0.0.1",))
    other = certificates.ensure(tmp_path / "other", ()).ca
    call = told(doctor(tmp_path, *flags, "--json", "--ca", str(other)))["loop call"]
    assert call["status"] == "fail"
    assert "--tls-names" not in call["cure"]
    assert "leads to this instance, or to another simulator or proxy" in call["cure"]
    assert "--ca" in call["cure"]


def test_a_leaf_without_its_issuer_warns_and_the_partner_is_named_whom_to_trust(tmp_path):
    flags = own(tmp_path, Flaw.MISSING_INTERMEDIATE, ("127.0.0.1",))
    checks = told(doctor(tmp_path, *flags, "--json", "--ca", str(tmp_path / "ca" / "ca.pem")))
    assert checks["certificate"]["status"] == "warn"
    assert "sbc-sim intermediate CA" in checks["trust"]["seen"]
    assert checks["loop call"]["status"] == "fail", "who has the root alone cannot check the leaf"


def test_a_chain_of_ones_own_that_is_whole_passes(tmp_path):
    checks = told(doctor(tmp_path, *SHORT, *own(tmp_path, names=("127.0.0.1",)), "--json", "--ca", str(tmp_path / "ca" / "ca.pem")))
    assert [checks[name]["status"] for name in ("certificate", "certificate names", "loop call")] == ["pass", "pass", "warn"]


def test_an_address_that_leads_nowhere_fails_in_bounded_time_with_the_cure(tmp_path):
    done = doctor(tmp_path, "--sip-advertised", "192.0.2.1", "--json")
    checks = told(done)
    assert done.returncode == 1
    assert "documentation" in checks["SIP address"]["seen"]
    assert checks["loop call"]["status"] == "fail"
    assert "sip.advertised" in checks["loop call"]["cure"]


@pytest.mark.slow
def test_an_address_where_nobody_speaks_is_given_up(tmp_path):
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        done = doctor(tmp_path, "--sip-advertised", f"127.0.0.1:{silent.getsockname()[1]}", "--json")
    assert done.returncode == 1
    assert told(done)["loop call"]["status"] == "fail"
    assert "sip.advertised" in told(done)["loop call"]["cure"]


def test_a_call_that_is_refused_names_the_rule(tmp_path):
    done = doctor(tmp_path, "--sip-allow-from", "198.51.100.0/24", "--json")
    assert done.returncode == 1
    assert "SBC-NET-001" in told(done)["loop call"]["seen"]


def test_an_instance_that_runs_is_examined_through_its_api(tmp_path):
    (tmp_path / "server").mkdir()
    with serving(tmp_path / "server", HTTP__TOKEN="right") as server:
        here = ("--http-listen", f"127.0.0.1:{server.http_port}", "--json")
        done = doctor(tmp_path, *here, "--http-token", "right", local=False)
        wrong = doctor(tmp_path, *here, "--token", "wrong", local=False)
        named = doctor(tmp_path, *SHORT, "--api", f"http://127.0.0.1:{server.http_port}", "--token", "right", "--json", local=False)
    checks = told(done)
    assert done.returncode == 0, done.stdout
    assert "is examined through its API" in checks["instance"]["seen"]
    assert checks["loop call"]["status"] in ("pass", "warn"), checks
    assert json.loads(done.stdout)["verdict"]["status"] in ("pass", "warn")
    assert any(line["ports"] == str(server.sip_port) for line in json.loads(done.stdout)["allowList"])
    assert not (tmp_path / "certs").exists(), "nothing is made where another one runs"
    assert (wrong.returncode, "token" in wrong.stderr) == (2, True)
    assert named.returncode == 0


def test_a_named_instance_that_is_not_there_is_3_and_bad_settings_are_2(tmp_path):
    assert doctor(tmp_path, "--api", "http://127.0.0.1:1").returncode == 3
    assert doctor(tmp_path, "--media-ports", "9-1").returncode == 2


class Stranger(BaseHTTPRequestHandler):
    """Answers every question with the same JSON."""

    said = "{}"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(self.said.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize(
    "said",
    ['{"version": "9"}', '{"sip": {"host": "h", "port": "many"}}', '{"sip": {"host": "h", "port": 5061}, "tls": {"notAfter": "soon"}}'],
)
def test_an_instance_that_tells_of_itself_in_other_words_is_3_and_one_sentence(tmp_path, said):
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Other", (Stranger,), {"said": said}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        done = doctor(tmp_path, "--api", f"http://127.0.0.1:{server.server_port}", local=False)
    finally:
        server.shutdown()
        server.server_close()
    assert (done.returncode, "Traceback" in done.stderr) == (3, False), done.stderr
    assert f"http://127.0.0.1:{server.server_port} does not answer as sbc-sim" in done.stderr
    assert "name another instance with --api" in done.stderr


# --- the checks themselves -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "status", "word"),
    [("127.0.0.1", "warn", "this machine alone"), ("::1", "warn", "this machine alone"), ("172.17.0.2", "warn", "containers"),
     ("10.88.0.3", "warn", "containers"), ("169.254.1.1", "warn", "same cable"), ("fe80::1", "warn", "same cable"),
     ("192.168.1.4", "pass", "private network"), ("10.1.2.3", "pass", "private network"), ("100.64.0.1", "pass", "private network"),
     ("fd00::1", "pass", "private network"), ("8.8.8.8", "pass", "everybody"), ("2a00:1450::1", "pass", "everybody"),
     ("192.0.2.7", "fail", "documentation"), ("203.0.113.9", "fail", "documentation"), ("2001:db8::1", "fail", "documentation"),
     ("0.0.0.0", "fail", "no address of one machine"), ("224.0.0.1", "fail", "no address"), ("255.255.255.255", "fail", "no address")],
)  # fmt: skip
def test_every_kind_of_address_is_told_by_who_can_reach_it(address, status, word):
    reach = reach_of(ip_address(address))
    assert (reach.status, word in reach.words) == (status, True), reach


def test_an_address_elsewhere_needs_forwarding_and_a_private_one_elsewhere_is_doubtful():
    public = check_advertised("SIP address", "sip.advertised", "8.8.8.8", 5061)
    assert (public.status, "something must forward it" in public.seen, "port 5061" in public.cure) == ("pass", True, True)
    assert check_advertised("SIP address", "sip.advertised", "192.168.254.253", 5061).status == "warn"


def test_a_name_without_an_address_fails_and_localhost_has_one():
    assert check_advertised("SIP address", "sip.advertised", "nothing.invalid", 5061).status == "fail"
    assert "localhost (" in check_advertised("SIP address", "sip.advertised", "localhost", 5061).seen


def test_listening_everywhere_in_a_private_network_warns_of_nat():
    private = check_unset("SIP address", "sip.advertised", "192.168.1.4")
    assert (private.status, "sip.advertised" in private.cure) == ("warn", True)


def test_ports_of_workers_and_regions_that_nobody_reaches_are_named():
    lines = [line for n in (1, 2) for line in ({"protocol": "tcp", "address": "127.0.0.1", "ports": str(n), "direction": "in"},)]
    lines += [{"protocol": "udp", "direction": "in"}, {"protocol": "tcp", "address": "h", "ports": "any", "direction": "in"}, {}]
    assert other_ways_in(lines, "127.0.0.1", 1) == [("127.0.0.1", 2)]
    with closing(socket.socket()) as shut:
        shut.bind(("127.0.0.1", 0))  # bound, and nobody listens
        found = check_ways_in([shut.getsockname()])
        assert found.seen.startswith(f"127.0.0.1:{shut.getsockname()[1]} cannot be reached; our Contact names them")
    assert found.status in ("warn", "fail")  # inside of a container it may be its own wall
    assert "publish those ports" in found.cure


def test_doctor_looks_at_the_ports_of_single_workers(tmp_path):
    (tmp_path / "server").mkdir()
    with serving(tmp_path / "server", WORKERS__COUNT="2") as server:
        done = doctor(tmp_path, *SHORT, "--api", f"http://127.0.0.1:{server.http_port}", "--json", local=False)
        attempts = list(Client(f"http://127.0.0.1:{server.http_port}").attempts())
    assert attempts == [], "to look leaves nothing in the journal"
    assert told(done)["other SIP ports"]["seen"].count("127.0.0.1:") == 2
    assert told(done)["other SIP ports"]["status"] == "pass"


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_a_call_over_the_loopback_of_a_container_proves_nothing_of_its_published_ports(host):
    proof = EchoProof(sent=100, returned=100, identical=100, altered=0, lost=0)
    outcome = Outcome(f"{host}:5061", result=CallResult("c", answered_at=1.0, proof=proof))
    inside = judged(outcome, contained=True)
    assert (inside.status, "this container's own loopback" in inside.seen) == ("warn", True)
    assert "sbc-sim doctor --api URL" in inside.cure
    assert judged(outcome, contained=False).status == "pass"
    assert judged(replace(outcome, target="192.0.2.20:5061"), contained=True).status == "pass"
    assert (
        judged(replace(outcome, verdict={"status": "fail", "findings": [{"rule": "R", "status": "fail"}]}), contained=True).status == "fail"
    )


@pytest.mark.parametrize(
    ("names", "host", "fits"),
    [(["sbc.example.com"], "SBC.example.com", True), (["*.example.com"], "sbc.example.com", True), ([], "x", False),
     (["*.example.com"], "a.b.example.com", False), (["*.example.com"], "example.com", False), (["203.0.113.1"], "203.0.113.1", True),
     (["localhost"], "127.0.0.1", False)],
)  # fmt: skip
def test_names_cover_a_host_by_equality_or_one_wildcard_label(names, host, fits):
    assert covers(names, host) is fits


@pytest.mark.parametrize(("days", "status"), [(-1, "fail"), (3, "warn"), (29, "warn"), (31, "pass")])
def test_expiry_is_told_in_days_and_warns_in_time(days, status):
    assert check_expiry(NOW + timedelta(days=days, hours=1), NOW).status == status


def test_a_clock_before_the_program_or_its_certificate_cannot_be_right():
    assert check_clock(0.0, None).status == "fail"
    assert check_clock(NOW.timestamp(), NOW + timedelta(days=1)).status == "fail"
    assert check_clock(NOW.timestamp(), NOW - timedelta(days=1)).status in ("pass", "warn")


def test_the_store_is_judged_without_touching_it(tmp_path):
    assert check_store("memory:", 1).status == "pass"
    assert check_store(f"sqlite:{tmp_path}/calls.db", 1).status == "pass"
    assert check_store(f"sqlite:{tmp_path}/new/deep/calls.db", 1).status == "fail", "serve makes no folder"
    assert list(tmp_path.iterdir()) == []
    os.mkfifo(tmp_path / "pipe")
    assert check_store(f"sqlite:{tmp_path}/pipe", 1).seen.endswith("is not a file")
    assert check_store(f"sqlite:{tmp_path}", 1).status == "fail"
    assert check_store(f"sqlite:{tmp_path}/calls.db", 2**62).status == "warn", "less room than the limit allows"
    (tmp_path / "file").touch()
    assert check_store(f"sqlite:{tmp_path}/file/calls.db", 1).status == "fail"
    assert check_store("sqlite://host/calls.db", 1).status == "fail"


def test_a_file_that_a_killed_writer_left_is_looked_at_and_not_changed(tmp_path):
    left, store = tmp_path / "left %20#?", SqliteStore(tmp_path / "calls.db", 0.0)
    left.mkdir()
    store.append(Entry(1.0, Kind.CALL_STARTED, "c", {"sipCallId": "c"}))
    assert store.flush(30.0)
    for name in ("calls.db", "calls.db-wal"):  # as `kill -9` leaves them
        shutil.copy(tmp_path / name, left)
    store.close()
    before = {file.name: file.read_bytes() for file in left.iterdir()}
    assert before["calls.db-wal"]
    assert check_store(f"sqlite:{left}/calls.db", 1).status == "pass"
    assert {file.name: file.read_bytes() for file in left.iterdir()} == before


def test_a_file_that_is_no_store_of_ours_is_refused(tmp_path):
    (tmp_path / "text.db").write_text("no database, but long enough to be looked at as one" * 10)
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE mine (x)")
        other.commit()
    for name in ("text.db", "other.db"):
        check = check_store(f"sqlite:{tmp_path / name}", 1)
        assert (check.status, "name another file" in check.seen + check.cure) == ("fail", True), check


def test_limits_that_need_more_files_than_may_be_open_warn():
    check = check_descriptors(Settings(limits={"connections": 2**40}))
    assert (check.status, "ulimit -n" in check.cure) == ("warn", True)
    assert "there is room for" in check.seen


def test_a_diagnosis_changes_nothing_in_the_folder_of_the_certificates(tmp_path):
    folder = tmp_path / "kept"
    checks = told(doctor(tmp_path, *SHORT, "--tls-dir", str(folder), "--json"))
    assert f"`serve` would make a CA and a server certificate in {folder}" in checks["certificate"]["seen"]
    assert checks["loop call"]["status"] in ("pass", "warn"), "it was placed with the copy all the same"
    assert not folder.exists()
    certificates.ensure(folder, ("127.0.0.1",))
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    checks = told(doctor(tmp_path, *SHORT, "--tls-dir", str(folder), "--tls-names", "sbc.example.com", "--json"))
    assert f"`serve` would make another server certificate (it lacks a name, or ends soon) in {folder}" in checks["certificate"]["seen"]
    assert "sbc.example.com" in checks["certificate names"]["seen"]
    assert certificates.show(folder / "ca.pem").fingerprint in checks["trust"]["seen"]
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_a_folder_where_serve_could_not_write_fails(tmp_path):
    (tmp_path / "file").write_text("")
    checks = told(doctor(tmp_path, "--tls-dir", str(tmp_path / "file"), "--json"))
    assert (checks["certificate"]["status"], checks["loop call"]["status"]) == ("fail", "skip")
    assert "cannot write in" in checks["certificate"]["seen"]
