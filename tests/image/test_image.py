"""The image as it is run: hardened, on a bridge and on the host's network, called by a real client, drained, and started badly."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.clients.audio import compare
from tests.end_to_end.clients.baresip_debian import DebianBaresip
from tests.end_to_end.clients.call import CallWish, calling
from tests.end_to_end.clients.conversation import wait_until
from tests.end_to_end.conftest import Saying, require
from tests.support.podman import Container, Podman, free_ports, running

pytestmark = [pytest.mark.partners, pytest.mark.image, pytest.mark.timeout(900), pytest.mark.xdist_group("image")]

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


def text(done: str) -> str:
    return " ".join(done.split())


# --- what it is ------------------------------------------------------------------------------------------------------------


def test_the_image_is_small_runs_as_a_number_of_group_0_and_says_what_it_is(podman: Podman, image: str) -> None:
    [told] = json.loads(podman("image", "inspect", image).stdout)
    assert told["Size"] < 200 * MEGABYTE
    config = told["Config"]
    assert (config["User"], config["StopSignal"], config["Entrypoint"], config["Cmd"]) == ("10001:0", "SIGTERM", ["sbc-sim"], ["serve"])
    assert {"5061/tcp", "8061/tcp"} <= set(config["ExposedPorts"])
    assert config["Healthcheck"]["Test"][:3] == ["CMD", "sbc-sim", "ready"]
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


@pytest.mark.parametrize("network", ["bridge", "host"])
def test_a_real_client_calls_a_hardened_container_and_hears_itself(
    podman: Podman, image: str, network: str, saying: Saying, tmp_path: Path
) -> None:
    client = DebianBaresip()
    require(client.name, client.missing())
    with serving(podman, image, network=network) as server:
        assert server.container.healthy()
        wish = CallWish(HERE, server.sip, server.ca(tmp_path), saying.wav)
        with calling(client, wish, tmp_path) as call:
            call.wait_answered()
            call.wait_heard(saying.seconds + 1.5)
            call.hang_up()
            trace = call.trace()
            echo = compare(saying.samples, call.heard())
        assert echo.fraction >= 0.8, f"{echo}\n{trace}"
        assert re.search(rf"(?mi)^Contact: .*\b{re.escape(HERE)}:{server.sip}\b", trace), "what is told leads to the published port"
        first, _, last = server.media.partition("-")
        ports = [int(port) for port in re.findall(r"(?m)^m=audio (\d+) ", trace)]
        assert f"c=IN IP4 {HERE}" in trace
        assert any(int(first) <= port <= int(last) for port in ports)
        assert "Traceback" not in server.container.said()
        assert server.container.stop() == 0


def test_doctor_says_who_is_told_which_address_and_what_is_wrong_without_one(podman: Podman, image: str) -> None:
    with serving(podman, image, network="host") as server:
        checks = server.doctor()
        assert checks["loop call"]["status"] in ("pass", "warn")
        assert "answered, its certificate was accepted" in checks["loop call"]["seen"]
    with serving(podman, image, advertised=False) as server:
        local = server.container.told()["NetworkSettings"]["IPAddress"]
        [said] = [line for line in server.container.said().splitlines() if line.startswith("note: this is a container")]
        assert f"Contact and SDP carry its own address, {local}, which its host alone knows: set SBC_SIM_SIP__ADVERTISED" in said
        checks = server.doctor()
        for what, key in (("SIP address", "sip.advertised"), ("media address", "media.advertised")):
            assert checks[what]["status"] == "warn"
            assert local in checks[what]["seen"]
            assert f"set {key}" in checks[what]["cure"]
    with serving(podman, image) as server:
        loop = server.doctor()["loop call"]
        assert (loop["status"], "as seen from inside of this container" in loop["seen"]) == ("warn", True)
        assert f"sbc-sim call tls:{HERE}:{server.sip}" in loop["cure"]


# --- its end ---------------------------------------------------------------------------------------------------------------


def test_a_container_that_is_stopped_ends_its_call_by_bye_and_the_next_one_on_its_volume_knows_it(
    podman: Podman, image: str, saying: Saying, tmp_path: Path
) -> None:
    client = DebianBaresip()
    require(client.name, client.missing())
    volume = f"sbc-sim-test-{tmp_path.parent.name}-{tmp_path.name}"[:60]
    podman("volume", "create", volume)
    kept = ("--volume", f"{volume}:/data", "--user", "4711:0")
    try:
        with serving(podman, image, *kept) as server:
            ca = server.get("/api/v1/tls/ca.pem")
            assert "data.dir" not in server.container.said()
            with calling(client, CallWish(HERE, server.sip, server.ca(tmp_path), saying.wav), tmp_path) as call:
                call.wait_answered()
                assert server.container.stop() == 0
                call.wait_closed()
                assert "the simulator is shutting down" in call.trace()[call.trace().index("BYE sip:") :]
        with serving(podman, image, *kept) as server:
            [told] = server.json("/api/v1/calls")["calls"]
            assert (told["state"], told["endedBy"], told["endReason"]) == ("ended", "sbc", "shutdown")
            assert server.get("/api/v1/tls/ca.pem") == ca, "a partner that imported the CA need not do so again"
    finally:
        podman("volume", "rm", "--force", volume, check=False)


def test_a_container_that_is_stopped_before_it_is_ready_ends_at_once(podman: Podman, image: str) -> None:
    with running(podman, image) as container:
        wait_until(lambda: "sbc-sim" in podman("top", container.name, "args", check=False).stdout, "it has begun")
        assert container.stop() == 0


# --- bad starts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [(), ("--read-only-tmpfs=false",)], ids=["tmpfs", "nothing but shared memory"])
def test_where_nothing_can_be_written_one_note_says_what_is_not_kept(podman: Podman, image: str, options: Sequence[str]) -> None:
    with serving(podman, image, *options) as server:
        [note] = [line for line in server.container.said().splitlines() if "data.dir" in line]
        assert note.startswith(
            "note: /data is on a read-only file system (data.dir), so calls are kept in memory and certificates are made in /"
        )
        assert "mount a volume there that this user or its group may write (-v sbc-sim:/data)" in note


@pytest.mark.parametrize(
    ("settings", "code", "says"),
    [
        ({"SBC_SIM_SIP__ADVERTIZED": "192.0.2.1"}, 2, "the nearest setting is SBC_SIM_SIP__ADVERTISED"),
        ({"SBC_SIM_LIMITS__CALLS": "50"}, 2, "50 calls need 100 media ports, but 31000-31019 (media.ports) has room for 10"),
        ({"SBC_SIM_SIP__LISTEN": "192.0.2.77:5061"}, 3, "set sip.listen to an address of this machine, or 0.0.0.0"),
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
