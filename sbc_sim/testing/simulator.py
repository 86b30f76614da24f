"""The simulator as a test holds it in its hands: where to call, what came, and what shall happen.

def test_my_sbc_places_a_good_call(sbc_sim):
    my_sbc.dial(sbc_sim.uri("echo"), ca=sbc_sim.ca_pem, user_to_user=sbc_sim.echo_uui)
    sbc_sim.wait_for_call(uui={"orgId": "echo-test-org"}).assert_passed()
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

from sbc_sim.client import ApiError, Json
from sbc_sim.testing import telling
from sbc_sim.testing.asking import PATIENCE, WatchedClient
from sbc_sim.testing.awaiting import Patience, in_thread
from sbc_sim.testing.call import LOOK, Call, CallFailed
from sbc_sim.testing.faults import Faults
from sbc_sim.testing.instance import Home
from sbc_sim.testing.rehearsal import Rehearsal

__tracebackhide__ = True  # a failure is shown at the line of the test, not here
BEFORE_ALL = "0"
"""Sorts before the id of any call."""
HANG_UP_SECONDS = 0.5
"""Longest wait for the end of calls that a test left up: a partner that is gone by then answers no BYE, and nothing hangs on it."""
ECHO = {"orgId": "echo-test-org", "scrt2Domain": "afv-wss-echo:7442"}
"""Content that asks for the echo of the connectivity test, with the settings as they come."""
MATCH = ("uui", "to", "from", "sipCallId", "region", "partner", "direction", "scenario")


class NoSuchCall(AssertionError):
    """The call that was waited for did not come; the message tells what came instead."""


class SbcSim:
    """One running simulator. All its calls block for milliseconds, but those that wait; these have a twin that ends in ``_async``."""

    def __init__(self, instance: Home, timeout: float = PATIENCE) -> None:
        """`instance` is started when it is not; `timeout`: longest wait where a test does not say another, seconds."""
        self.instance = instance
        """The process with its folder, log and pid; or the container."""
        self.after = BEFORE_ALL
        """Id of the newest call of the time before the last reset: only later ones are this test's."""
        self.stopped = False
        """True once it was ended on purpose."""
        self.before_stop: Callable[[], None] | None = None
        """Told before it is ended on purpose: what it knows must be asked now."""
        started = not instance.alive
        if started:
            instance.start()
        self.client = WatchedClient(instance, timeout)
        """The HTTP client of its API, for all that this handle has no word for."""
        try:
            self._sip_host, self.sip_port = _reached(self.client.info()["sip"])
            """TCP port for SIP over TLS."""
        except BaseException:
            if started:
                instance.stop()
            raise

    def __repr__(self) -> str:
        return f"<SbcSim {self.sip_uri}, {self.api_url}>"

    def __enter__(self) -> SbcSim:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.stop()

    # --- where it is ---------------------------------------------------------------------------------------------------

    @property
    def host(self) -> str:
        """Host that SIP calls go to."""
        return self._sip_host.strip("[]")

    @property
    def sip_uri(self) -> str:
        """The URI to dial for the echo: ``sip:echo@127.0.0.1:40123;transport=tls``."""
        return self.uri("echo")

    def uri(self, user: str) -> str:
        """Give the URI of a number: a test number (``busy``, ``4860``: docs/faults.md) or any other."""
        return f"sip:{user}@{self._sip_host}:{self.sip_port};transport=tls"

    @property
    def target(self) -> str:
        """Where to call without a user, as ``sbc-sim call`` takes it: ``tls:127.0.0.1:40123``."""
        return f"tls:{self._sip_host}:{self.sip_port}"

    @property
    def ca_pem(self) -> Path:
        """File with the CA to trust (PEM)."""
        return self.instance.ca_pem

    @property
    def api_url(self) -> str:
        """URL of its page and API."""
        return self.instance.api

    @property
    def token(self) -> str | None:
        """Token of its API; None on loopback, where none is needed."""
        return self.instance.token

    @property
    def info(self) -> Json:
        """Version, addresses, fingerprint of the CA."""
        return self.client.info()

    # --- what to send --------------------------------------------------------------------------------------------------

    def uui(self, content: Mapping[str, Any] | str) -> str:
        """Give a User-to-User value: JSON or text in hex (RFC 7433)."""
        text = content if isinstance(content, str) else json.dumps(content, separators=(",", ":"))
        return f"{text.encode().hex()};encoding=hex"

    @property
    def echo_uui(self) -> str:
        """The User-to-User value that asks for the echo."""
        return self.uui(ECHO)

    # --- what came -----------------------------------------------------------------------------------------------------

    def calls(self, **filters: str | None) -> list[Call]:
        """Calls of this test, oldest first. Filters: status (pass, warn, fail or a state), region, partner."""
        return [Call(self.client, data) for data in reversed(self._calls(**filters))]

    def attempts(self) -> list[Json]:
        """Connections of this test that never became calls, oldest first: why, and findings."""
        return list(self.client.attempts())[::-1]

    def outside(self) -> list[Json]:
        """What belongs to no call, oldest first: connections, messages that cannot be read, requests that were refused."""
        found: list[Json] = self.client.get("/api/v1/messages?limit=200")["messages"]
        return found[::-1]

    def wait_for_call(
        self,
        *,
        uui: Mapping[str, Any] | str | None = None,
        to: str | None = None,
        from_: str | None = None,
        sip_call_id: str | None = None,
        region: str | None = None,
        partner: str | None = None,
        direction: str | None = None,
        scenario: str | None = None,
        state: str = "ended",
        timeout: float | None = None,
        after: Call | None = None,
    ) -> Call:
        """Wait for a call of this test by what it is, and give it; `timeout` in seconds. Raises NoSuchCall, telling what came instead.

        `uui`: fields that must be in its User-to-User, or the value; `to`, `from_`: numbers or whole URIs; `state`: ringing, answered,
        ended or rejected (what is past a state has reached it). Of several that fit the earliest is given; `after` looks behind another.
        """
        match = _match(uui, to, from_, sip_call_id, region, partner, direction, scenario)
        return self._wait(match, state, after, Patience(self.client.seconds(timeout)))

    async def wait_for_call_async(
        self,
        *,
        uui: Mapping[str, Any] | str | None = None,
        to: str | None = None,
        from_: str | None = None,
        sip_call_id: str | None = None,
        region: str | None = None,
        partner: str | None = None,
        direction: str | None = None,
        scenario: str | None = None,
        state: str = "ended",
        timeout: float | None = None,
        after: Call | None = None,
    ) -> Call:
        """As `wait_for_call`, for asynchronous tests: the event loop goes on, and whoever is cancelled waits no more."""
        match = _match(uui, to, from_, sip_call_id, region, partner, direction, scenario)
        return await in_thread(lambda patience: self._wait(match, state, after, patience), self.client.seconds(timeout))

    def wait_for_attempt(self, timeout: float | None = None) -> Json:
        """Wait for a connection that fails before it can carry a call, a TLS handshake that is broken off say; give the newest."""
        patience = Patience(self.client.seconds(timeout))
        while not (found := self.attempts()):
            if not patience.left:
                raise NoSuchCall(telling.missed("connection that failed", patience.seconds, self._calls(), {}, [], self.outside()))
            patience.pause(LOOK)
        return found[-1]

    def assert_all_passed(self, ignore: Iterable[str] = (), strict: bool = False) -> None:
        """See that every call of this test passed, and that every connection could carry one."""
        for call in self.calls():
            call.assert_passed(ignore, strict)
        if attempts := self.attempts():
            raise CallFailed(telling.attempts_text(attempts))

    # --- what shall happen ---------------------------------------------------------------------------------------------

    @cached_property
    def faults(self) -> Faults:
        """What it does wrong on purpose: ``sbc_sim.faults.add("busy", count=1)``."""
        return Faults(self.client)

    def escalate(self, call: Call, mode: str | None = None, why: str | None = None, target: str | None = None) -> Call:
        """Give a live call back to the partner (docs/escalation.md)."""
        return call.escalate(mode, why, target)

    def rehearse(
        self,
        *,
        regions: Iterable[str] | None = None,
        parts: Iterable[str] | None = None,
        escalations: Iterable[str] | None = None,
        partner: str | None = None,
        step_seconds: float | None = None,
        tries: int = 1,
        name: str | None = None,
    ) -> Rehearsal:
        """Begin a rehearsal of the endorsement (docs/rehearsal.md); a step is given up after so many failed `tries`."""
        wish = {
            "partner": partner,
            "regions": None if regions is None else list(regions),
            "parts": None if parts is None else list(parts),
            "escalations": None if escalations is None else list(escalations),
            "stepSeconds": step_seconds,
            "tries": tries,
            "name": name,
        }
        return Rehearsal(
            self.client, self.client.post("/api/v1/rehearsals", {key: value for key, value in wish.items() if value is not None})
        )

    def trust_key(self, pem: str, *, name: str = "test", org_id: str | None = None, call_center: str | None = None) -> Json:
        """Give the public key by which tokens of the Telephony Integration API are checked (docs/telephony.md)."""
        more = {"orgId": org_id, "callCenter": call_center}
        return self.client.put(f"/api/v1/telephony/keys/{name}", {"pem": pem, **{key: value for key, value in more.items() if value}})

    def voice_calls(self) -> list[Json]:
        """Voice calls of the Telephony Integration API, newest first."""
        found: list[Json] = self.client.get("/api/v1/voice-calls")["voiceCalls"]
        return found

    # --- from test to test -----------------------------------------------------------------------------------------------

    def reset(self) -> None:
        """Begin anew: calls that are up get BYE; what is over, faults and rehearsals are forgotten. One that has died is started again."""
        if not self.instance.alive:
            self.instance.start()
        self._hang_up_all()
        for told in self.client.get("/api/v1/rehearsals")["rehearsals"]:
            if told.get("state") == "running":
                Rehearsal(self.client, told).stop()
        self.client.reset()
        self.instance.mark()
        newest = next(self.client.calls(most=1), None)
        self.after = BEFORE_ALL if newest is None else str(newest["id"])

    def end_calls(self) -> None:
        """End all calls that are up by BYE, and give the partner half a second to answer."""
        patience = Patience(HANG_UP_SECONDS)
        for call in self._hang_up_all():
            while not call.refresh().over and patience.left:
                patience.pause(LOOK)

    def stop(self) -> None:
        """End the simulator."""
        try:
            if self.before_stop is not None and not self.stopped:
                self.before_stop()
        finally:
            self.stopped = True
            self.instance.stop()

    def _hang_up_all(self) -> list[Call]:
        live = [Call(self.client, data) for state in ("ringing", "answered") for data in self.client.calls(status=state)]
        for call in live:
            try:
                self.client.hang_up(call.id)
            except ApiError as error:
                if error.status not in (404, 409):  # it ended by itself meanwhile
                    raise
        return live

    def _calls(self, **filters: str | None) -> list[Json]:
        """As the API tells them, newest first."""
        return [data for data in self.client.calls(None, **filters) if str(data["id"]) > self.after]

    def _wait(self, match: Json, state: str, after: Call | None, patience: Patience) -> Call:
        begin = self.after if after is None else after.id
        while True:
            until = patience.slice
            try:
                return Call(self.client, self.client.wait(match, state, until, begin))
            except ApiError as error:
                if error.status != 408:
                    raise
            if not patience.left:
                raise NoSuchCall(self._missed(match, state, patience.seconds))

    def _missed(self, match: Json, state: str, seconds: float) -> str:
        return telling.missed(telling.described(match, state), seconds, self._calls(), match, self.attempts(), self.outside())


def _reached(sip: Json) -> tuple[str, int]:
    """Give host and port for calls. Without an advertised address it listens on all: to this machine it is on loopback."""
    host, _, port = str(sip["advertised"] or sip["listen"]).rpartition(":")
    return {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host), int(port)


def _match(
    uui: Mapping[str, Any] | str | None,
    to: str | None,
    from_: str | None,
    sip_call_id: str | None,
    region: str | None,
    partner: str | None,
    direction: str | None,
    scenario: str | None,
) -> Json:
    wanted = (dict(uui) if isinstance(uui, Mapping) else uui, to, from_, sip_call_id, region, partner, direction, scenario)
    return {name: value for name, value in zip(MATCH, wanted, strict=True) if value is not None}
