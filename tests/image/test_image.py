"""The image as it is run: hardened, on a bridge and on the host's network, called by a real client, drained, and started badly."""

from __future__ import annotations

import json
import os
import re
import signal
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.clients.audio import compare
from tests.end_to_end.clients.baresip_debian import DebianBaresip
from tests.end_to_end.clients.call import CallWish, RealCall, calling
from tests.end_to_end.clients.conversation import wait_until
from tests.end_to_end.conftest import Saying, require
from tests.support.podman import Container, Podman, free_ports, running

pytestmark = [pytest.mark.partners, pytest.mark.image, pytest.mark.timeout(900)]

HERE = "127.0.0.1"
TOKEN = "a-token-of-the-tests"
HARDENED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges")
MEGABYTE = 10**6
PATIENT = {"MEDIA__MAX_JITTER_MS": "1e6", "MEDIA__MAX_FIRST_PACKET_MS": "1e6", "MEDIA__MAX_ECHO_DELAY_MS": "1e6"}


class Instance:
    """A simulator in a container, and its API as this machine sees it."""

    def __init__(self, container: Container, sip: int, http: int, media: str) -> None:
        self.container = container
        self.sip, self.http, self.media = sip, http, media

    def get(self, path: str) -> bytes:
        """GET from its API."""
        request = urllib.request.Request(f"http://{HERE}:{self.http}{path}", headers={"Authorization": f"Bearer {TOKEN}"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return bytes(answer.read())

    def json(self, path: str) -> Any:
        """GET a JSON document."""
        return json.loads(self.get(path))

    def ca(self, folder: Path) -> Path:
        """The CA, as a partner would get it."""
        file = folder / "ca.pem"
        file.write_bytes(self.get("/api/v1/tls/ca.pem"))
        return file

    def doctor(self) -> dict[str, dict[str, str]]:
        """What `doctor` inside of the container says, by the names of its checks."""
        done = self.container.run("sbc-sim", "doctor", "--seconds", "1", "--json")
        return {check["name"]: check for check in json.loads(done.stdout)["checks"]}


@contextmanager
def serving(
    podman: Podman, image: str, *options: str, network: str = "bridge", advertised: bool = True, **settings: str
) -> Iterator[Instance]:
    """Serve in a hardened container, with ports that are published on loopback or taken there directly; wait until it is ready."""
    sip, http, media = free_ports(HERE, 4)
    wanted = {"HTTP__TOKEN": TOKEN, "MEDIA__PORTS": media, **PATIENT, **settings}
    if network == "host":
        where: Sequence[str] = ("--network", "host")
        wanted |= {"SIP__LISTEN": f"{HERE}:{sip}", "HTTP__LISTEN": f"{HERE}:{http}", "MEDIA__LISTEN": HERE}
    else:
        where = ("-p", f"{HERE}:{sip}:5061", "-p", f"{HERE}:{http}:8061", "-p", f"{HERE}:{media}:{media}/udp")
        if advertised:
            wanted |= {"SIP__ADVERTISED": f"{HERE}:{sip}", "MEDIA__ADVERTISED": HERE}
    variables = {f"SBC_SIM_{name}": value for name, value in wanted.items()}
    with running(podman, image, *HARDENED, *where, *options, settings=variables) as container:
        waited = container.run("sbc-sim", "ready", "--wait", "--timeout", "120")
        assert waited.returncode == 0, waited.stderr + container.said()
        yield Instance(container, sip, http, media)


# --- what it is ------------------------------------------------------------------------------------------------------------


def test_the_image_is_small_runs_as_a_number_of_group_0_and_says_what_it_is(podman: Podman, image: str) -> None:
    [told] = json.loads(podman("image", "inspect", image).stdout)
    assert told["Size"] < 200 * MEGABYTE
    config = told["Config"]
    assert (config["User"], config["StopSignal"], config["Entrypoint"], config["Cmd"]) == ("10001:0", "SIGTERM", ["sbc-sim"], ["serve"])
    assert {"5061/tcp", "8061/tcp"} <= set(config["ExposedPorts"])
    assert told["Healthcheck"]["Test"][:3] == ["CMD", "sbc-sim", "ready"]
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in config["Labels"].items()}
    assert labels["title"] == "sbc-sim"
    assert labels["licenses"] == "Apache-2.0"
    assert labels["version"]
    assert re.fullmatch("[0-9a-f]{40}|unknown", labels["revision"])


def test_nothing_in_it_compiles_and_nothing_needs_to_be_compiled_at_a_start(podman: Podman, image: str) -> None:
    tools = "for tool in gcc cc pip make git; do command -v $tool; done; ls -d /opt/sbc-sim/lib/python3*/site-packages/pip"
    asked = podman("run", "--rm", "--entrypoint", "sh", image, "-c", tools, check=False).stdout.split()
    assert not [path for path in asked if not path.startswith("/usr/local/")], "of its base it may have pip"
    imports = "import sbc_sim.commands.serve, sbc_sim.service, twisted.internet.epollreactor, sqlite3, psycopg"
    noted = podman("run", "--rm", "--entrypoint", "python", image, "-v", "-c", imports).stderr
    assert "code object from '/opt/sbc-sim" in noted or "matches" in noted, "python -v says where each module came from"
    ours = re.findall(r"# code object from '?([^'\n]+\.py)\b(?!c)", noted)
    assert ours == [], "each of these was compiled just now, and would be again at each start"


# --- calls -----------------------------------------------------------------------------------------------------------------


@contextmanager
def a_call(server: Instance, saying: Saying, folder: Path) -> Iterator[RealCall]:
    """A call by baresip to the port that is published, or taken on the host."""
    client = DebianBaresip()
    require(client.name, client.missing())
    folder.mkdir()
    with calling(client, CallWish(HERE, server.sip, server.ca(folder), saying.wav), folder) as call:
        call.wait_answered()
        yield call


def see_the_echo(server: Instance, saying: Saying, folder: Path) -> None:
    """A call comes back as a copy, and what is told in Contact and SDP is what is published."""
    with a_call(server, saying, folder) as call:
        call.wait_heard(saying.seconds + 1.5)
        call.hang_up()
        trace = call.trace()
        echo = compare(saying.samples, call.heard())
    assert echo.fraction >= 0.8, f"{echo}\n{trace}"
    answer = trace[trace.index("SIP/2.0 200 ") :]
    assert re.search(rf"(?mi)^Contact: .*\b{re.escape(HERE)}:{server.sip}\b", answer)
    assert f"c=IN IP4 {HERE}" in answer
    first, _, last = server.media.partition("-")
    told = re.search(r"(?m)^m=audio (\d+) ", answer)
    assert told is not None
    assert int(first) <= int(told[1]) <= int(last)


def test_on_the_hosts_network_a_real_client_hears_itself_and_doctor_finds_the_way_in(
    podman: Podman, image: str, saying: Saying, tmp_path: Path
) -> None:
    with serving(podman, image, network="host") as server:
        assert server.container.healthy()
        see_the_echo(server, saying, tmp_path / "call")
        loop = server.doctor()["loop call"]
        assert "answered, its certificate was accepted" in loop["seen"]
        assert loop["status"] in ("pass", "warn")
        assert server.container.stop() == 0
        assert "Traceback" not in server.container.said()


def test_through_published_ports_a_real_client_hears_itself_and_the_end_of_the_container_is_a_bye_that_its_volume_keeps(
    podman: Podman, image: str, saying: Saying, tmp_path: Path
) -> None:
    volume = f"sbc-sim-test-{os.getpid()}"
    podman("volume", "create", volume)
    kept = ("--volume", f"{volume}:/data", "--user", "4711:0")
    try:
        with serving(podman, image, *kept) as server:
            ca = server.get("/api/v1/tls/ca.pem")
            assert "data.dir" not in server.container.said()
            assert "/data/certs" not in server.container.said(), "nobody outside has that file"
            assert f"sbc-sim call tls:{HERE}:{server.sip} --ca ca.pem" in server.container.said()
            assert server.container.healthy()
            see_the_echo(server, saying, tmp_path / "first")
            loop = server.doctor()["loop call"]
            assert (loop["status"], "as seen from inside of this container" in loop["seen"]) == ("warn", True)
            assert f"sbc-sim call tls:{HERE}:{server.sip}" in loop["cure"]
            with a_call(server, saying, tmp_path / "second") as call:
                assert server.container.stop() == 0
                call.wait_closed()
                assert "the simulator is shutting down" in call.trace()[call.trace().index("BYE sip:") :]
            assert "Traceback" not in server.container.said()
        with serving(podman, image, *kept) as server:
            cut, whole = server.json("/api/v1/calls")["calls"]
            assert (cut["state"], cut["endedBy"], cut["endReason"]) == ("ended", "sbc", "shutdown")
            assert (whole["state"], whole["endedBy"]) == ("ended", "partner")
            assert server.get("/api/v1/tls/ca.pem") == ca, "a partner that imported the CA need not do so again"
    finally:
        podman("volume", "rm", "--force", volume, check=False)


def test_a_container_that_is_stopped_before_it_is_ready_ends_at_once(podman: Podman, image: str) -> None:
    with running(podman, image) as container:
        process = Path("/proc") / str(container.told()["State"]["Pid"]) / "status"
        wait_until(lambda: catches(process, signal.SIGTERM), "it heeds SIGTERM", said=container.said)
        assert container.stop() == 0


def catches(status: Path, number: signal.Signals) -> bool:
    """Tell whether a process has a handler for a signal: the first one of a container has no default for it."""
    found = re.search(r"(?m)^SigCgt:\s*([0-9a-f]+)$", status.read_text())
    return found is not None and bool(int(found[1], 16) >> (number - 1) & 1)


# --- bad starts ------------------------------------------------------------------------------------------------------------


def test_where_nothing_can_be_written_and_nothing_is_advertised_notes_and_doctor_say_so(podman: Podman, image: str) -> None:
    with serving(podman, image, "--read-only-tmpfs=false", advertised=False) as server:
        said = server.container.said().splitlines()
        [kept] = [line for line in said if "data.dir" in line]
        assert kept.startswith(
            "note: /data is on a read-only file system (data.dir), so calls are kept in memory and certificates are made in /"
        )
        assert "mount a volume there that this user or its group may write (-v sbc-sim:/data)" in kept
        local = server.container.told()["NetworkSettings"]["IPAddress"]
        [told] = [line for line in said if line.startswith("note: this is a container")]
        assert f"Contact and SDP carry its own address, {local}, which its host alone knows: set SBC_SIM_SIP__ADVERTISED" in told
        checks = server.doctor()
        for what, key in (("SIP address", "sip.advertised"), ("media address", "media.advertised")):
            assert checks[what]["status"] == "warn"
            assert local in checks[what]["seen"]
            assert f"set {key}" in checks[what]["cure"]


@pytest.mark.parametrize(
    ("settings", "code", "says"),
    [
        ({"SBC_SIM_SIP__ADVERTIZED": "192.0.2.1"}, 2, "the nearest setting is SBC_SIM_SIP__ADVERTISED"),
        ({"SBC_SIM_STORE__URL": "sqlite:/nowhere/calls.db"}, 3, "there is no folder /nowhere: make it first, or mend the path"),
    ],
)
def test_a_container_that_cannot_go_well_ends_with_one_sentence(
    podman: Podman, image: str, settings: dict[str, str], code: int, says: str
) -> None:
    with running(podman, image, *HARDENED, settings=settings) as container:
        assert container.wait() == code
        [line] = container.said().splitlines()
    assert line.startswith("sbc-sim: ")
    assert says in line
