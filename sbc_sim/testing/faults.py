"""What the simulator does wrong on purpose during a test (docs/faults.md)."""

from __future__ import annotations

from types import TracebackType
from typing import Any
from urllib.parse import quote

from sbc_sim.client import ApiError, Client, Json

__tracebackhide__ = True  # a failure is shown at the line of the test, not here


class Fault:
    """One fault that is set. As a context manager it is taken away at the end of the block."""

    def __init__(self, client: Client, data: Json) -> None:
        """`data` as GET /api/v1/faults/{name} tells it."""
        self._client = client
        self.data = data

    def __repr__(self) -> str:
        return f"<Fault {self.name}: {self.data.get('type')}, {self.data.get('hits', 0)} hits>"

    def __enter__(self) -> Fault:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.remove()

    @property
    def name(self) -> str:
        """Its name, which stands in every verdict that it touches."""
        return str(self.data["name"])

    @property
    def hits(self) -> int:
        """How often it struck by now."""
        self.data = self._client.get(_path(self.name))
        return int(self.data.get("hits", 0))

    def remove(self) -> None:
        """Take it away; nothing happens when it is gone already."""
        try:
            self._client.delete(_path(self.name))
        except ApiError as error:
            if error.status != 404:
                raise


class Faults:
    """The faults of one simulator. A reset, and with it the next test, takes them all away."""

    def __init__(self, client: Client) -> None:
        """`client` asks the simulator."""
        self._client = client

    def __iter__(self) -> Any:
        return iter(self.all())

    def all(self) -> list[Fault]:
        """All that are set, the oldest first."""
        return [Fault(self._client, told) for told in self._client.get("/api/v1/faults")["faults"]]

    def add(
        self,
        type: str,
        value: object = None,
        *,
        number: str | None = None,
        region: str | None = None,
        partner: str | None = None,
        path: str | None = None,
        probability: float | None = None,
        count: int | None = None,
        seconds: float | None = None,
        seed: int | str | None = None,
        name: str | None = None,
    ) -> Fault:
        """Set a fault: `type` and `value` as docs/faults.md lists them, whom it strikes, how often and how long.

        `number` is whole, or its beginning and ``*``. Its name is its type, with a number behind it when there is such a one already.
        Raises ApiError naming the member that makes no sense.
        """
        scope = {"number": number, "region": region, "partner": partner, "path": path}
        more = {"value": value, "probability": probability, "count": count, "seconds": seconds, "seed": seed, "scope": _said(scope) or None}
        told = self._client.put(_path(name or self._free_name(type)), {"type": type, **_said(more)})
        return Fault(self._client, told)

    def clear(self) -> None:
        """Take all away; those of the settings stay."""
        self._client.delete("/api/v1/faults")

    def _free_name(self, type: str) -> str:
        taken = {fault.name for fault in self.all()}
        names = (f"{type}-{number}" if number > 1 else type for number in range(1, len(taken) + 2))
        return next(name for name in names if name not in taken)


def _said(members: Json) -> Json:
    return {name: value for name, value in members.items() if value is not None}


def _path(name: str) -> str:
    return f"/api/v1/faults/{quote(name, safe='')}"
