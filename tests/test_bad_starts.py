"""Starts that cannot go well: one sentence with its cure, the right exit code, and nothing that half works."""

from __future__ import annotations

import json
import os
import re
import resource
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from sbc_sim.net import certificates
from sbc_sim.net.certificates import Flaw
from sbc_sim.service import Service
from sbc_sim.settings import load
from sbc_sim.testing.free_ports import held
from tests.end_to_end.clients.call import ECHO_UUI
from tests.end_to_end.clients.conversation import Conversation, wait_until
from tests.end_to_end.raw_sip import connected, invite, request
from tests.end_to_end.server import ROOT, SETTINGS

pytestmark = pytest.mark.timeout(180)
USAGE, CANNOT_RUN = 2, 3


def serve(folder: Path, **settings: str) -> list[str]:
    """The command that serves with these settings (SIP__LISTEN="...") and no others of this machine."""
    wanted = {**SETTINGS, "SBC_SIM_TLS__DIR": str(folder / "certs"), **{f"SBC_SIM_{name}": value for name, value in settings.items()}}
    clean = [f"--unset={name}" for name in os.environ if name.startswith("SBC_SIM_")]
    return ["env", *clean, *(f"{name}={value}" for name, value in wanted.items()), sys.executable, "-m", "sbc_sim", "serve"]


def refusal(folder: Path, code: int, files: int | None = None, **settings: str) -> str:
    """What a start says that must fail: its one line."""
    done = subprocess.run(
        serve(folder, **settings),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        preexec_fn=None if files is None else lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files)),
    )
    assert done.returncode == code, done.stderr
    assert "is ready for calls" not in done.stdout
    [line] = done.stderr.splitlines()
    return line


@contextmanager
def started(folder: Path, files: int | None = None, **settings: str) -> Iterator[tuple[Conversation, dict[str, int]]]:
    """A start that goes well, with what it says and its ports."""
    ports_file = folder / "ports.json"
    shell = [] if files is None else ["sh", "-c", f'ulimit -n {files} && exec "$@"', "sh"]
    command = [*shell, *serve(folder, **settings), "--ports-file", str(ports_file)]
    conversation = Conversation("sbc-sim", command, folder, {"PYTHONPATH": str(ROOT), "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"})
    try:
        wait_until(lambda: ports_file.exists() or conversation.process.poll() is not None, "it serves", said=conversation.last_words)
        assert conversation.process.poll() is None, conversation.last_words()
        yield conversation, json.loads(ports_file.read_text())
    finally:
        conversation.end()
    assert "Traceback" not in conversation.said, conversation.last_words()


def own_certificate(folder: Path, flaw: Flaw | None = None) -> dict[str, str]:
    """Settings for a certificate of one's own, perhaps with a flaw."""
    made = certificates.issue_flawed(folder / "ca", flaw, ()) if flaw else certificates.load(certificates.ensure(folder / "ca", ()))
    (folder / "own.pem").write_bytes(made.certificate_pem())
    (folder / "own.key").write_bytes(made.key_pem())
    return {"TLS__CERT_FILE": str(folder / "own.pem"), "TLS__KEY_FILE": str(folder / "own.key")}


# --- ports ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "what", "key"), [("SIP", "SIP", "sip.listen"), ("HTTP", "HTTP", "http.listen")])
def test_a_port_that_another_program_has_is_3_with_who_holds_it_and_the_setting(tmp_path: Path, name: str, what: str, key: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        line = refusal(tmp_path, CANNOT_RUN, **{f"{name}__LISTEN": f"127.0.0.1:{port}"})
    assert line == (
        f"sbc-sim: cannot listen for {what} on 127.0.0.1 port {port}: Address already in use; "
        f"see who holds it (`ss -ltnp 'sport = :{port}'`), or set {key} to another port"
    )


@contextmanager
def held_pairs(count: int, taken: int) -> Iterator[str]:
    """A range of `count` pairs of UDP ports, the first `taken` of which another program has."""
    with held(socket.SOCK_DGRAM, 2 * count, "127.0.0.1") as (first, sockets):
        for one in sockets[2 * taken :]:
            one.close()
        yield f"{first}-{first + 2 * count - 1}"


def test_media_ports_that_other_programs_have_are_3_when_none_is_left(tmp_path: Path) -> None:
    with held_pairs(3, taken=3) as ports:
        line = refusal(tmp_path, CANNOT_RUN, MEDIA__PORTS=ports)
    assert line == (
        f"sbc-sim: cannot listen for media on 127.0.0.1 port {ports}: Address already in use; "
        "see who holds it (`ss -lunp`), or set media.ports to another port"
    )


def test_media_ports_of_which_some_are_left_leave_room_for_fewer_calls_and_the_banner_says_so(tmp_path: Path) -> None:
    with held_pairs(3, taken=2) as ports, started(tmp_path, MEDIA__PORTS=ports) as (conversation, _):
        conversation.wait_for(f"note: other programs hold ports of {ports}/udp: room for 2 calls less until they end")


def test_an_address_of_another_machine_is_3_and_says_that_what_is_told_is_another_setting(tmp_path: Path) -> None:
    line = refusal(tmp_path, CANNOT_RUN, MEDIA__LISTEN="192.0.2.1", MEDIA__PORTS="31000-31019")
    assert line == (
        "sbc-sim: cannot listen for media on 192.0.2.1 port 31000-31019: Cannot assign requested address; set media.listen to an address "
        "of this machine, or 0.0.0.0: what partners are told is another setting (sip.advertised, media.advertised)"
    )


def test_calls_that_the_media_ports_cannot_carry_are_2_with_three_ways_out(tmp_path: Path) -> None:
    line = refusal(tmp_path, USAGE, LIMITS__CALLS="11", MEDIA__PORTS="31001-31020")
    assert line == (
        "sbc-sim: limits.calls (environment SBC_SIM_LIMITS__CALLS): 11 calls need 22 media ports, but 31001-31020 (media.ports) has room "
        "for 9: set media.ports: 31002-31023, media.mode: mux (one port for all calls), or limits.calls: 9"
    )


# --- certificates, folders, names ------------------------------------------------------------------------------------------


def test_a_certificate_that_has_expired_is_3_and_wants_a_renewed_one(tmp_path: Path) -> None:
    line = refusal(tmp_path, CANNOT_RUN, **own_certificate(tmp_path, Flaw.EXPIRED))
    said = rf"sbc-sim: the certificate in {tmp_path}/own.pem expired on [-\d]+ [\d:]+ UTC: put a renewed one there"
    assert re.fullmatch(said, line), line


def test_a_certificate_that_expires_while_it_runs_ends_readiness_with_the_reason(tmp_path: Path) -> None:
    from twisted.internet import reactor

    flags = {"tls.cert_file": "TLS__CERT_FILE", "tls.key_file": "TLS__KEY_FILE"}
    own = own_certificate(tmp_path)
    settings = load({key: own[name] for key, name in flags.items()}, {}, default_file=tmp_path / "none").settings
    service = Service(settings, reactor, "0")
    try:
        service._running = True
        assert service._unready() == []
        expires = service.credentials.not_after.timestamp()
        service.clock = lambda: expires + 1
        [why] = service._unready()
        assert re.fullmatch(r"the server certificate expired on [-\dT:.]+Z: renew it \(tls\.cert_file\), and start again", why), why
    finally:
        service.store.close()


def test_a_key_of_another_certificate_is_3_and_names_both_files(tmp_path: Path) -> None:
    settings = own_certificate(tmp_path)
    line = refusal(tmp_path, CANNOT_RUN, **{**settings, "TLS__KEY_FILE": str(tmp_path / "ca" / "ca-key.pem")})
    assert line.startswith(f"sbc-sim: the key in {tmp_path}/ca/ca-key.pem does not belong to the certificate in {tmp_path}/own.pem (")
    assert line.endswith("): name the two that were made together")


def test_a_certificate_without_its_key_is_2(tmp_path: Path) -> None:
    line = refusal(tmp_path, USAGE, TLS__CERT_FILE=own_certificate(tmp_path)["TLS__CERT_FILE"])
    assert line == "sbc-sim: tls.cert_file and tls.key_file belong together: set both, or none"


@pytest.mark.parametrize(
    ("setting", "value", "cure"),
    [
        ("TLS__DIR", "/proc/certs", "set tls.dir to a folder that this user may write"),
        ("STORE__URL", "sqlite:/proc/calls.db", "name another file in store.url"),
        ("STORE__URL", "sqlite:/nowhere/calls.db", "there is no folder /nowhere: make it first, or mend the path"),
    ],
)
def test_a_place_that_cannot_be_written_is_3_with_the_setting(tmp_path: Path, setting: str, value: str, cure: str) -> None:
    assert cure in refusal(tmp_path, CANNOT_RUN, **{setting: value})


def test_a_variable_with_our_prefix_that_is_no_setting_is_2_and_names_the_nearest(tmp_path: Path) -> None:
    line = refusal(tmp_path, USAGE, SIP__ADVERTISE="192.0.2.1")
    assert line == "sbc-sim: environment variable SBC_SIM_SIP__ADVERTISE is not known; the nearest setting is SBC_SIM_SIP__ADVERTISED"


# --- open files --------------------------------------------------------------------------------------------------------------


def test_too_few_files_for_a_single_call_are_3_with_the_number_to_ask_for(tmp_path: Path) -> None:
    line = refusal(tmp_path, CANNOT_RUN, files=100)
    assert line.startswith("sbc-sim: this process may open 100 files, too few to take calls: it needs 160 at least, `ulimit -n ")


def test_few_files_mean_fewer_connections_and_calls_and_what_is_over_is_refused_in_words(tmp_path: Path) -> None:
    settings = {"LIMITS__CALLS_PER_SECOND": "1000", "LIMITS__MEDIA_TIMEOUT_SECONDS": "1000", "SIP__RING_SECONDS": "0"}
    with started(tmp_path, files=200, **settings) as (conversation, ports), ExitStack() as held:
        said = conversation.wait_for(
            r"this process may open 200 files, so there is room for (\d+) SIP connections and (\d+) calls only: `ulimit -n"
        )
        connections, calls = int(said[1]), int(said[2])
        raw = held.enter_context(connected(ports["sip"], tmp_path / "certs" / "ca.pem"))
        refused = 0
        for number in range(calls + 3):
            raw.send(invite(f"call-{number}", ECHO_UUI))
            answer = raw.final()
            assert answer is not None
            tag = re.search(r";tag=[^\s;>]+", answer.header("To") or "")
            assert tag is not None
            if answer.status == 200:
                raw.send(request("ACK", f"call-{number}", to_tag=tag[0]))
            else:
                refused += 1
                assert answer.status == 503
                assert f"{calls} calls are up (limits.calls)" in (answer.header("Warning") or "")
        assert refused == 3
        for _ in range(connections + 50):
            held.enter_context(socket.create_connection(("127.0.0.1", ports["sip"]), timeout=60))
        attempts = f"http://127.0.0.1:{ports['http']}/api/v1/attempts"
        wait_until(lambda: "no more are allowed" in read(attempts), "connections are refused", said=conversation.last_words)
        assert read(f"http://127.0.0.1:{ports['http']}/readyz")
    assert "Too many open files" not in conversation.said


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return str(answer.read().decode())


# --- where data lies -----------------------------------------------------------------------------------------------------------


def test_a_data_folder_holds_the_journal_and_the_certificates(tmp_path: Path) -> None:
    settings = {"DATA__DIR": str(tmp_path), "TLS__DIR": str(tmp_path / "elsewhere")}
    with started(tmp_path, **settings) as (conversation, _):
        assert "(data.dir)" not in conversation.said
    assert (tmp_path / "sbc-sim.db").stat().st_size
    assert (tmp_path / "elsewhere" / "ca.pem").exists(), "what is set itself lies where it was set"


def test_a_data_folder_that_cannot_be_written_is_one_warning_and_the_simulator_serves(tmp_path: Path) -> None:
    command = serve(tmp_path, DATA__DIR="/proc/self", MEDIA__PORTS="0")
    command = [word for word in command if not word.startswith("SBC_SIM_TLS__DIR=")]
    command.insert(1, f"TMPDIR={tmp_path}")
    ports_file = tmp_path / "ports.json"
    conversation = Conversation(
        "sbc-sim", [*command, "--ports-file", str(ports_file)], tmp_path, {"PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    )
    try:
        wait_until(ports_file.exists, "it serves", said=conversation.last_words)
        assert read(f"http://127.0.0.1:{json.loads(ports_file.read_text())['http']}/readyz")
    finally:
        conversation.end()
    [note] = [line for line in conversation.said.splitlines() if "data.dir" in line]
    made = tmp_path / f"sbc-sim-{os.getuid()}" / "certs"
    assert f"so calls are kept in memory and certificates are made in {made}, and forgotten at the end; mount a volume there" in note
    assert (made / "ca.pem").exists()
