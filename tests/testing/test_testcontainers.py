"""The Testcontainers class with a real container: SIP and media through published ports, the handle of the plugin, and clear deaths."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest

from sbc_sim.testing.instance import Died, NotStarted
from sbc_sim.testing.simulator import SbcSim
from tests.end_to_end.conftest import require
from tests.support import podman
from tests.testing import podman_service

testcontainers = pytest.importorskip("testcontainers")

from docker.errors import NotFound  # noqa: E402

from sbc_sim.testcontainers import SbcSimContainer, environment  # noqa: E402

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    """The image of this checkout, and podman's service for Testcontainers."""
    require("podman", podman.missing())
    with (
        closing(podman.Podman()) as program,
        podman_service.serving(program.environment) as url,
        pytest.MonkeyPatch.context() as patch,
    ):
        name = program.build()
        patch.setenv("DOCKER_HOST", url)
        patch.setattr("testcontainers.core.config.testcontainers_config.ryuk_disabled", True)
        yield name


@pytest.mark.partners
@pytest.mark.image
def test_a_call_into_a_container_passes_and_its_death_is_told(image: str) -> None:
    settings = {"media": {"min_packets": 20}, "rules.profile": "extended", "http": {"token": "of-my-own", "base_path": "/sub"}}
    with SbcSimContainer(image, settings, calls=2) as container:
        sim = container.sbc_sim
        assert (sim.token, sim.api_url.endswith("/sub")) == ("of-my-own", True)
        assert sim.info["profile"] == "extended"
        assert sim.info["sip"]["advertised"] == f"127.0.0.1:{sim.sip_port}"
        media = sim.info["media"]
        assert media["portEnd"] - media["portStart"] == 3
        place(sim)
        call = sim.wait_for_call(to="echo")
        call.assert_passed()
        assert call.media["echoedPackets"] >= 20
        sim.reset()
        assert sim.calls() == []
        container.get_wrapped_container().kill()
        with pytest.raises(Died, match=r"the simulator ended with exit code 137"):
            sim.wait_for_call(timeout=60)
        died = container.get_wrapped_container()
        sim.reset()
        place(sim)
        sim.wait_for_call(to="echo").assert_passed()
        assert container.get_wrapped_container().id == died.id
        died.remove(force=True)
        sim.reset()
        place(sim)
        last = container.get_wrapped_container()
    with pytest.raises(NotFound):
        last.reload()


def place(sim: SbcSim) -> None:
    """Place a call of a second and a half to the echo."""
    trunk = [f"tls:{sim.host}:{sim.sip_port}", "--ca", str(sim.ca_pem), "--seconds", "1.5"]
    subprocess.run([sys.executable, "-m", "sbc_sim", "call", *trunk], check=True, capture_output=True)


@pytest.mark.partners
@pytest.mark.image
def test_a_container_that_does_not_start_says_why(image: str) -> None:
    with (
        pytest.raises(
            NotStarted, match=r"(?s)ended at once.*SBC_SIM_UUI__MISING is not known; the nearest setting is SBC_SIM_UUI__MISSING"
        ),
        SbcSimContainer(image, {"uui.mising": "warn"}, calls=1),
    ):
        pass


def test_settings_become_variables() -> None:
    told = environment({"uui.missing": "warn", "sip.accept_tel": True, "sip.users": ["a", "b"], "sip.numbers": {"+1": "busy"}})
    assert told == {
        "SBC_SIM_UUI__MISSING": "warn",
        "SBC_SIM_SIP__ACCEPT_TEL": "true",
        "SBC_SIM_SIP__USERS": "a,b",
        "SBC_SIM_SIP__NUMBERS": "+1=busy",
    }
    assert environment({"data.dir": None, "uui": {"limit": 5, "missing": None}}) == {"SBC_SIM_UUI__LIMIT": "5"}
    with pytest.raises(NotStarted, match=r"uui is a group of settings: write uui\.NAME"):
        environment({"uui": "warn"})
    assert environment({"partners": {"my-acme": {"label": "x"}}}) == {"SBC_SIM_PARTNERS__MY_ACME": '{"label": "x"}'}
    assert environment({"partners.acme.label": "x"}) == {"SBC_SIM_PARTNERS__ACME": '{"label": "x"}'}
