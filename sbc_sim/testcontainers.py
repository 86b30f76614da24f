"""The simulator as a container of a test suite, by the library Testcontainers: pip install "sbc-sim[testcontainers]".

with SbcSimContainer("sbc-sim:latest") as container:
    sbc_sim = container.sbc_sim                      # the same handle as the pytest fixture gives
    place_a_call(sbc_sim.sip_uri, ca=sbc_sim.ca_pem)
    sbc_sim.wait_for_call().assert_passed()

SDP and Contact name ports, so a port must have the same number in the container and on the host: SIP and media are published 1 to 1, on
ports that are free when the container is made, or on those that you name.
"""

from __future__ import annotations

import json
import secrets
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from docker.errors import NotFound  # type: ignore[import-untyped]
from testcontainers.core.container import DockerContainer

from sbc_sim.client import ApiError, Client
from sbc_sim.testing.free_ports import free
from sbc_sim.testing.given import MAPS, named
from sbc_sim.testing.instance import Died, NotStarted, died, nested
from sbc_sim.testing.simulator import SbcSim

HTTP_PORT = 8061
"""In the container; on this machine it is any free one."""
ANYWHERE = ("", "0.0.0.0", "::")
READY_SECONDS = 60.0
LOOK = 0.05
LINES = 40
"""Lines of the log in a message."""


class SbcSimContainer(DockerContainer):
    """A simulator in a container, ready for calls from this machine."""

    def __init__(
        self,
        image: str = "sbc-sim:latest",
        settings: Mapping[str, object] | None = None,
        *,
        calls: int = 10,
        sip_port: int | None = None,
        media_start: int | None = None,
        advertised: str = "127.0.0.1",
        bind: str = "127.0.0.1",
        **more: Any,
    ) -> None:
        """`settings` by their names; `calls` at the same time, two UDP ports each.

        `sip_port`, `media_start`: ports of your choice instead of free ones. `advertised`: the address at which your SBC reaches this
        machine, and `bind` the one where the ports are published; another one than loopback lets others in. `more` is for DockerContainer.
        """
        super().__init__(image, **more)
        self._bind = bind
        media = media_start or free(socket.SOCK_DGRAM, 2 * calls)
        self._ports = _Ports(sip_port or free(socket.SOCK_STREAM), free(socket.SOCK_STREAM), range(media, media + 2 * calls))
        own = named(settings)
        self._api_token = str(own.get("http.token") or secrets.token_urlsafe(18))
        self._base_path = str(own.get("http.base_path") or "")
        self._marked = 0.0
        self._folder = tempfile.TemporaryDirectory(prefix="sbc-sim-")
        for name, value in environment({**self._own(advertised), **own}).items():
            self.with_env(name, value)
        for port in (f"{self._ports.sip}/tcp", *(f"{port}/udp" for port in self._ports.media)):
            self.ports[port] = (bind, int(port.partition("/")[0]))  # type: ignore[assignment]
        self.ports[f"{HTTP_PORT}/tcp"] = (bind, self._ports.http)  # type: ignore[assignment]

    def _own(self, advertised: str) -> dict[str, object]:
        media = self._ports.media
        return {
            "sip.listen": f"0.0.0.0:{self._ports.sip}",
            "sip.advertised": f"{advertised}:{self._ports.sip}",
            "media.listen": "0.0.0.0",
            "media.advertised": advertised,
            "media.ports": f"{media.start}-{media.stop - 1}",
            "http.listen": f"0.0.0.0:{HTTP_PORT}",
            "http.token": self._api_token,
            "log.format": "console",
        }

    @cached_property
    def sbc_sim(self) -> SbcSim:
        """The handle, as the fixture `sbc_sim` gives it (docs/pytest.md)."""
        return SbcSim(self)

    @property
    def api(self) -> str:
        """URL of its API, as seen from this machine."""
        host = self._bind if self._bind not in ANYWHERE else str(self.get_container_host_ip())
        return f"http://{host}:{self._ports.http}{self._base_path}"

    @property
    def token(self) -> str:
        """Token of its API."""
        return self._api_token

    @property
    def ca_pem(self) -> Path:
        """File with the CA to trust (PEM), fetched from the container at each start."""
        file = self._fetched_ca
        if not file.exists():
            with file.open("wb") as target:
                Client(self.api, environment={}).download("/api/v1/tls/ca.pem", target)
        return file

    @property
    def _fetched_ca(self) -> Path:
        return Path(self._folder.name) / "ca.pem"

    @property
    def alive(self) -> bool:
        """True while the container runs."""
        try:
            if self._container is not None:
                self._container.reload()
        except NotFound:
            self._container = None  # removed by somebody else
        return self._container is not None and self._container.status == "running"

    def start(self) -> SbcSimContainer:
        """Start it and wait until it takes calls; one that has died is started again as it was. Raises NotStarted with its log."""
        self._fetched_ca.unlink(missing_ok=True)
        if not self.alive:
            if self._container is None:
                super().start()
            else:
                self._container.start()
        until = time.monotonic() + READY_SECONDS
        while not self._ready():
            if not self.alive or time.monotonic() > until:
                why = "was not ready in time" if self.alive else "ended at once"
                raise NotStarted(f"the simulator in {self.image} {why}.\n{self.last_words()}")
            time.sleep(LOOK)
        return self

    def stop(self, force: bool = True, delete_volume: bool = True) -> None:
        """End it: calls get BYE, and the container is removed."""
        if self.alive and self._container is not None:
            self._container.stop(timeout=10)
        super().stop(force, delete_volume)
        self._folder.cleanup()

    def mark(self) -> None:
        """Begin a new chapter of its log."""
        self._marked = time.time()

    def last_words(self) -> str:
        """The end of its log, since the last mark."""
        said = b"" if self._container is None else self._container.logs(since=int(self._marked) or None, tail=LINES)
        return said.decode("utf-8", "replace").rstrip() or "It said nothing."

    def obituary(self) -> Died | None:
        """Tell how it ended, None while it lives."""
        if self.alive:
            return None
        how = "by being removed" if self._container is None else f"with exit code {self._container.attrs['State'].get('ExitCode')}"
        return Died(died(how, self.last_words()))

    def _ready(self) -> bool:
        try:
            return bool(Client(self.api, self._api_token, 2.0, environment={}).get("/readyz").get("ready"))
        except (ApiError, ConnectionError, ValueError):
            return False


@dataclass(frozen=True, slots=True)
class _Ports:
    """Ports on this machine; but for that of HTTP they have the same number in the container."""

    sip: int
    http: int
    media: range


def environment(settings: Mapping[str, object]) -> dict[str, str]:
    """Write settings, by their names, as the variables that the simulator reads."""
    return {f"SBC_SIM_{section}__{name}".upper().replace("-", "_"): text for section, name, text in _flat(settings)}


def _flat(settings: Mapping[str, object]) -> Iterator[tuple[str, str, str]]:
    for section, members in nested(named(settings)).items():
        if not isinstance(members, Mapping):
            raise NotStarted(f"{section} is a group of settings: write {section}.NAME")
        for name, value in members.items():
            yield section, name, _text(section, value)


def _text(section: str, value: object) -> str:
    if section in MAPS:
        return json.dumps(value)
    if isinstance(value, Mapping):
        return ",".join(f"{name}={inner}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
