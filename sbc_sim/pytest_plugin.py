"""The pytest plugin: a simulator for each test session, and failures that show the ladder.

def test_the_call_passes(sbc_sim):
    place_a_call(sbc_sim.sip_uri, ca=sbc_sim.ca_pem)
    sbc_sim.wait_for_call(to="echo").assert_passed()

pytest loads this module at every start, so it imports next to nothing: what a test needs is imported by the fixtures (docs/pytest.md).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from sbc_sim.testing.reporting import Running
    from sbc_sim.testing.simulator import SbcSim


RUNNING: pytest.StashKey[Running | None] = pytest.StashKey()
"""The simulators of this process, None before the first one."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the plugin."""
    group = parser.getgroup("sbc-sim", "a simulator of the Salesforce SBC")
    group.addoption(
        "--sbc-sim-artifacts", metavar="DIR", help="Keep captures, reports, ladders and the simulator's log of failed tests there."
    )
    group.addoption(
        "--sbc-sim-timeout", metavar="SECONDS", type=float, default=15.0, help="How long is waited where a test does not say: 15 s."
    )
    group.addoption(
        "--sbc-sim-set", action="append", default=[], metavar="KEY=VALUE", help="A setting of every simulator, rules.profile=extended say."
    )


def pytest_configure(config: pytest.Config) -> None:
    """Nothing runs yet; options that cannot be are refused before the first test."""
    config.stash[RUNNING] = None
    _given(config)


@pytest.fixture(scope="session")
def sbc_sim_settings() -> Mapping[str, object]:
    """Settings of the simulators of this session, by their names: {"rules.profile": "extended"}. Override it in a conftest.py."""
    return {}


@pytest.fixture(scope="session")
def make_sbc_sim(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory, sbc_sim_settings: Mapping[str, object]
) -> Iterator[Callable[..., SbcSim]]:
    """Start one more simulator: make_sbc_sim({"uui.over_limit": "refuse"}). It ends with the session, or with its `with` block."""
    from sbc_sim.testing.reporting import Running

    settings = {**sbc_sim_settings, **_given(pytestconfig)}
    running = Running(tmp_path_factory, settings, pytestconfig.getoption("sbc_sim_timeout"), _artifacts(pytestconfig))
    pytestconfig.stash[RUNNING] = running  # and left there: the report of the last test is made after this fixture
    yield running.start
    running.stop()


@pytest.fixture(scope="session")
def _sbc_sim_of_session(make_sbc_sim: Callable[..., SbcSim]) -> SbcSim:
    """The one simulator that `sbc_sim` gives to each test in turn."""
    return make_sbc_sim()


@pytest.fixture(scope="session")
def sbc_sim_ca(_sbc_sim_of_session: SbcSim) -> Path:
    """File with the CA that a partner has to trust (PEM)."""
    return _sbc_sim_of_session.ca_pem


@pytest.fixture
def sbc_sim(_sbc_sim_of_session: SbcSim) -> Iterator[SbcSim]:
    """A running simulator that remembers nothing of the test before; what a test leaves up is ended after it."""
    _sbc_sim_of_session.reset()
    yield _sbc_sim_of_session
    if _sbc_sim_of_session.instance.alive:
        _sbc_sim_of_session.end_calls()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Remember where the logs of the simulators end before a test; what its last run left is no artifact of this one."""
    if (folder := _artifacts(item.config)) is not None and folder.is_dir():
        from sbc_sim.testing.reporting import forget

        forget(folder, item.nodeid)
    if (running := item.config.stash[RUNNING]) is not None:
        running.test_begins()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add ladders and findings to the report of a test that failed, and keep its files."""
    report = yield
    running = item.config.stash[RUNNING]
    if running is not None and report.failed:
        used = "make_sbc_sim" in getattr(item, "fixturenames", ())
        report.sections += running.told(str(call.excinfo.value) if call.excinfo else "", item.nodeid, used)
    return report


def _artifacts(config: pytest.Config) -> Path | None:
    """The folder of --sbc-sim-artifacts, wherever a test has changed to."""
    folder = config.getoption("sbc_sim_artifacts")
    return config.invocation_params.dir / folder if folder else None


def _given(config: pytest.Config) -> dict[str, str]:
    """The settings of --sbc-sim-set. Raises UsageError for what is no pair."""
    given: dict[str, str] = {}
    for pair in config.getoption("sbc_sim_set"):
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise pytest.UsageError(f"--sbc-sim-set {pair}: it is not KEY=VALUE, rules.profile=extended say")
        given[name.strip()] = value
    return given
