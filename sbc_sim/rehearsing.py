"""The built-in partner: plays the partner's side of a rehearsal, each step that waits, with real calls and real requests.

partner = BuiltInPartner(order, rehearsal, reactor, answering)
partner.run()                  # Deferred: the rehearsal as it ended
partner.troubles               # sentences about what it could not do

It asks the instance over HTTP as any partner would, in threads, so that the instance may live in the same process.
"""

from __future__ import annotations

import http.client
import json
import secrets
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from twisted.internet.defer import Deferred, DeferredLock, inlineCallbacks
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.logger import Logger
from twisted.python.failure import Failure

from sbc_sim.answering import Answering
from sbc_sim.calls.production import is_production
from sbc_sim.calls.region import PUBLIC_HOST, PUBLIC_REGIONS
from sbc_sim.calls.uui_alone import ECHO_PAYLOAD
from sbc_sim.client import ApiError, Client
from sbc_sim.net.shell import unix_clock
from sbc_sim.partner import rest
from sbc_sim.partner.journey import Deed, Journey, Mistake, Task
from sbc_sim.partner.own_trace import trace_text
from sbc_sim.partner.placed_call import CallPlan
from sbc_sim.partner.rest import Org, RestRequest, Signer
from sbc_sim.partner.voice import Voice
from sbc_sim.placing import Order, Placement, PlacingError, complaints
from sbc_sim.sip.peer import TlsProblem
from sbc_sim.sip.uri import host_port

LOOK = 0.2
"""Seconds between two looks at the rehearsal."""
PATIENCE = 15.0
"""Longest wait for an answer over HTTP, seconds."""
LONGEST_TALK = 120.0
"""After this we end a call to the agent ourselves, seconds."""
SPEECH = 1.2
KEY_NAME = "rehearsal"
CALLER, CALLED = "+15550111", "+15550100"
FORGED_LATE = 3600.0
"""Seconds by which the tokens of the mistake expired-jwt are late."""
OTHER_ORG = "00D999999999999"
ALTERNATIVES = (TlsProblem.UNTRUSTED_SERVER, TlsProblem.UNKNOWN_NAME)
"""Who fails by these has no certificate for the region's name: the region is then named in the Request-URI alone."""

_log = Logger()


@dataclass(frozen=True, slots=True)
class PartnerOrder:
    """Whom to call and ask, and how."""

    host: str
    port: int
    """Of the SBC; always these are dialled, never a region's public name."""
    api: str
    """Address of the instance's HTTP interface."""
    token: str | None = None
    telephony: str = ""
    """Base address of the Telephony Integration API; empty: that of the instance."""
    ca_file: Path | None = None
    verify: bool = True
    org: Org = field(default_factory=Org)
    partner: str = ""
    """Whose key it is, at the instance."""
    number: str = "agent"
    """What is called for the agent."""
    key_bits: int = 1024
    """Of the key that signs our tokens. With 2,048 and more no token fits into the limit of User-to-User."""
    seconds: float = 2.6
    """Of a connectivity call, from answer to BYE."""
    escalation_key: str = "0"
    mistake: Mistake = Mistake.NONE


@dataclass(slots=True)
class _Talk:
    """One end-to-end test: the call to the agent and its records."""

    vendor_key: str
    lock: DeferredLock = field(default_factory=DeferredLock)
    voice: Voice = field(default_factory=Voice)
    voice_call: str = ""
    placement: Placement | None = None
    rep: str = ""


Told = Callable[[str], object]


class BuiltInPartner:
    """Plays one rehearsal."""

    def __init__(self, order: PartnerOrder, rehearsal: str, reactor: Any, answering: Answering | None = None) -> None:
        """`rehearsal`: its id; `answering` takes the calls that are given back."""
        self.order = order
        self.rehearsal: Mapping[str, Any] = {"id": rehearsal, "state": "running", "steps": []}
        self.troubles: list[str] = []
        """What could not be done, a sentence each."""
        self.on_change: Callable[[Mapping[str, Any]], object] = lambda rehearsal: None
        self.placements: list[Placement] = []
        self._reactor = reactor
        self._answering = answering
        self._client = Client(order.api, order.token, PATIENCE)
        self._journey = Journey(order.mistake)
        self._talks: dict[str, _Talk] = {}
        self._hosts: dict[str, str] = {}
        self._under_way = 0
        self._stopped = False
        self._clock = unix_clock()
        self._signer: Signer | None = None

    # --- the run -----------------------------------------------------------------------------------------------------

    @inlineCallbacks
    def run(self) -> Generator[Deferred[Any], Any, Mapping[str, Any]]:
        """Play until the rehearsal is over, or `stop`. Raises ApiError when the instance cannot be asked."""
        self._hosts = yield deferToThread(self._regions)
        path = f"/api/v1/rehearsals/{self.rehearsal['id']}"
        while not self._stopped:
            self.rehearsal = yield deferToThread(self._client.get, path)
            self.on_change(self.rehearsal)
            if self.rehearsal.get("state") != "running":
                break
            deeds = self._journey.due(self.rehearsal)
            if self._signer is None and any(deed.mode for deed in deeds):
                self._signer = yield deferToThread(self._introduce)
            for deed in deeds:
                self._begin(deed)
            yield deferLater(self._reactor, LOOK)
        yield self._end()
        return self.rehearsal

    def stop(self) -> None:
        """Do nothing more."""
        self._stopped = True

    @inlineCallbacks
    def _end(self) -> Generator[Deferred[Any], Any, None]:
        """Hang up what is up, and wait for what is under way."""
        for placement in self.placements:
            if not placement.caller.finished:
                placement.hang_up()
        patience = time.monotonic() + PATIENCE
        while self._under_way and time.monotonic() < patience:
            yield deferLater(self._reactor, LOOK)

    def _begin(self, deed: Deed) -> None:
        self._under_way += 1
        done = self._do(deed)
        done.addErrback(self._failed, deed)
        done.addBoth(self._over)

    def _over(self, _: object) -> None:
        self._under_way -= 1

    def _failed(self, failure: Failure, deed: Deed) -> None:
        error = failure.value
        if not isinstance(error, ApiError | PlacingError | OSError | http.client.HTTPException):
            _log.error("the built-in partner failed at {step}: {error!r}", step=deed.step, error=error)
        self.troubles.append(f"{deed.step}: {error}")

    @inlineCallbacks
    def _do(self, deed: Deed) -> Generator[Deferred[Any], Any, None]:
        if deed.task is Task.CONNECT:
            yield self._connect(deed)
            return
        if deed.task is Task.TRACE:
            yield deferToThread(self._hand_in_trace, deed)
            return
        talk = self._talk(deed.mode)
        yield talk.lock.acquire()
        try:
            yield _DEEDS[deed.task](self, talk, deed)
        finally:
            talk.lock.release()

    def _talk(self, mode: str) -> _Talk:
        if mode not in self._talks:
            self._talks[mode] = _Talk(f"rehearsal-{mode.replace('+', '-')}-{secrets.token_hex(4)}")
        return self._talks[mode]

    # --- the connectivity test -----------------------------------------------------------------------------------------

    @inlineCallbacks
    def _connect(self, deed: Deed) -> Generator[Deferred[Any], Any, None]:
        """Place the echo call: the region is named by SNI and Request-URI, what is dialled is always the SBC's own address."""
        region = self._hosts.get(deed.region, "")
        order = self._echo_order(region, region)
        placement = yield self._place(order)
        failure = placement.failure
        if failure is not None and failure.problem in ALTERNATIVES and region:
            self.troubles.append(f"{deed.step}: {failure.detail}; the region was named in the Request-URI alone")
            placement = yield self._place(self._echo_order(region, ""))
        self._note(deed, placement)

    def _echo_order(self, region: str, server_name: str) -> Order:
        uui = f"{ECHO_PAYLOAD.encode().hex()};encoding=hex"
        order = self._order("echo", region, uui, server_name)
        return replace(order, codecs=("PCMA",)) if self.order.mistake is Mistake.PCMA_ONLY else order

    def _order(self, number: str, region: str, uui: str, server_name: str) -> Order:
        order = self.order
        uri = f"sip:{number}@{region or host_port(order.host, order.port)};transport=tls"
        plan = CallPlan(
            order.host,
            order.port,
            uri,
            f"<sip:{CALLER}@partner.invalid>",
            f"<{uri}>",
            uui,
            seconds=order.seconds,
            server_name=server_name,
            contact=None if self._answering is None else (_dialled(self._answering), self._answering.port),
            extra=(("P-Asserted-Identity", f"<sip:{CALLER}@partner.invalid>"),),
        )
        return Order(plan, ca_file=order.ca_file, verify=order.verify)

    def _place(self, order: Order) -> Deferred[Placement]:
        """Place a call; fires when it is over."""
        placement = Placement(order, self._reactor)
        self.placements.append(placement)
        return placement.run().addCallback(lambda _: placement)

    def _note(self, deed: Deed, placement: Placement) -> None:
        """Keep what went wrong on our side of a call."""
        if placement.failure is not None:
            self.troubles.append(f"{deed.step}: no connection: {placement.failure.detail}")
            return
        if deed.task is Task.CONNECT:
            self.troubles += [f"{deed.step}: {problem}" for problem in complaints(placement.results[0])]
        else:
            self.troubles += [f"{deed.step}: {problem}" for problem in placement.results[0].problems]

    # --- the end-to-end test -------------------------------------------------------------------------------------------

    @inlineCallbacks
    def _create(self, talk: _Talk, deed: Deed) -> Generator[Deferred[Any], Any, None]:
        talk.vendor_key = f"{talk.vendor_key[:-9]}-{secrets.token_hex(4)}"
        request = rest.create(self.order.org, talk.vendor_key, CALLER, CALLED, self._clock())
        talk.voice_call = str((yield self._ask(request, deed)).get("voiceCallId") or "")

    def _call(self, talk: _Talk, deed: Deed) -> Deferred[Any]:
        """Send the call out; it goes on while other steps wait."""
        assert self._signer is not None
        org = self.order.org
        named = OTHER_ORG if self.order.mistake is Mistake.WRONG_ORG else org.org_id
        content = rest.content_for(named, org.domain, talk.voice_call or talk.vendor_key, self._signer.for_call(self._clock()))
        region = self._hosts.get(str(next(iter(self.rehearsal.get("regions") or ()), "")), "")
        order = self._order(self.order.number, region, f"{content.encode().hex()};encoding=hex", "")
        plan = replace(order.plan, seconds=LONGEST_TALK, awaits_bye=True)
        talk.voice = Voice()
        over = self._place(replace(order, plan=plan, voice=talk.voice))
        talk.placement = self.placements[-1]
        noted: Deferred[None] = over.addCallback(lambda placement: self._note(deed, placement))
        noted.addErrback(self._failed, deed)
        done: Deferred[Any] = Deferred()
        done.callback(None)
        return done

    @inlineCallbacks
    def _speak(self, talk: _Talk, deed: Deed) -> Generator[Deferred[Any], Any, None]:
        talk.voice.speak(SPEECH)
        request = rest.say(talk.vendor_key, 1, "END_USER", "I would like to talk to somebody about my order.", self._clock())
        yield self._ask(request, deed)

    @inlineCallbacks
    def _ask_for_human(self, talk: _Talk, deed: Deed) -> Generator[Deferred[Any], Any, None]:
        talk.voice.press(self.order.escalation_key)
        yield deferLater(self._reactor, 0)

    @inlineCallbacks
    def _keep(self, talk: _Talk, deed: Deed) -> Generator[Deferred[Any], Any, None]:
        """Say truly whether the customer's leg is still up: the partner check asks for it (requirement 111)."""
        alive = self.order.mistake is not Mistake.DROP_CUSTOMER
        text = "The partner keeps the customer's leg." if alive else "The partner hung up on the customer when the BYE came."
        if deed.call:
            yield deferToThread(self._client.post, f"/api/v1/calls/{deed.call}/partner", {"customerAlive": alive, "text": text})

    @inlineCallbacks
    def _rep(self, talk: _Talk, deed: Deed) -> Generator[Deferred[Any], Any, None]:
        parent = "" if self.order.mistake is Mistake.UNLINKED_REP else talk.voice_call
        request = rest.create(self.order.org, f"{talk.vendor_key}-rep", CALLER, CALLED, self._clock(), parent)
        talk.rep = str((yield self._ask(request, deed)).get("voiceCallId") or "")
        yield self._ask(rest.accept(self.order.org, talk.rep, self._clock()), deed)
        if self.order.mistake is Mistake.UNLINKED_REP and deed.call:
            # Without the link nothing in the records tells that this rep has that call.
            known = {"repReached": True, "repCall": talk.rep, "text": f"The rep {self.order.org.agent} took the call."}
            yield deferToThread(self._client.post, f"/api/v1/calls/{deed.call}/partner", known)

    @inlineCallbacks
    def _close(self, talk: _Talk, deed: Deed) -> Generator[Deferred[Any], Any, None]:
        for voice_call in filter(None, (talk.voice_call, talk.rep)):
            yield self._ask(rest.close(voice_call, self._clock()), deed)

    # --- asking over HTTP, in threads ------------------------------------------------------------------------------------

    @inlineCallbacks
    def _ask(self, request: RestRequest, deed: Deed) -> Generator[Deferred[Any], Any, Mapping[str, Any]]:
        """Ask the Telephony Integration API; a refusal is noted and gives an empty answer."""
        assert self._signer is not None
        token = self._signer.bearer(self._clock())
        status, told = yield deferToThread(ask, self.order.telephony or f"{self._client.api}{rest.BASE}", request, token)
        if status >= 400:
            said = told.get("message") or told.get("detail") or json.dumps(told)[:300]
            self.troubles.append(f"{deed.step}: {request.method} {request.path} was answered {status}: {said}")
            return {}
        known: Mapping[str, Any] = told
        return known

    def _regions(self) -> dict[str, str]:
        """Give the public host of each region, as the instance has them."""
        known = {name: PUBLIC_HOST.format(code=code) for name, _, code in PUBLIC_REGIONS}
        try:
            listed = self._client.get("/api/v1/regions").get("regions") or ()
        except ApiError as error:
            if error.status not in (404, 501):
                raise
            listed = ()
        return known | {str(region["name"]): str(region["host"]) for region in listed if region.get("name") and region.get("host")}

    def _introduce(self) -> Signer:
        """Make a key and give its public half to the instance."""
        from cryptography.hazmat.primitives.asymmetric import rsa

        order = self.order
        key = rsa.generate_private_key(public_exponent=65537, key_size=order.key_bits)
        late = FORGED_LATE if order.mistake is Mistake.EXPIRED_JWT else 0.0
        signer = Signer(order.org, key, secrets.token_hex, late)
        body = {"pem": signer.public_pem(), "orgId": order.org.org_id, "callCenter": order.org.call_center}
        self._client.put(f"/api/v1/telephony/keys/{KEY_NAME}", {**body, "partner": order.partner} if order.partner else body)
        return signer

    def _hand_in_trace(self, deed: Deed) -> None:
        """Hand in what our own side saw, as its own trace."""
        path = f"/api/v1/rehearsals/{self.rehearsal['id']}/steps/{deed.step}/trace"
        traces = [placement.store.trace(result.call) for placement in self.placements for result in placement.results]
        self._client.post(path, {"text": trace_text(trace for trace in traces if trace is not None)})


_DEEDS: Mapping[Task, Callable[[BuiltInPartner, _Talk, Deed], Deferred[Any]]] = {
    Task.CREATE: BuiltInPartner._create,
    Task.CALL: BuiltInPartner._call,
    Task.SPEAK: BuiltInPartner._speak,
    Task.ASK: BuiltInPartner._ask_for_human,
    Task.KEEP: BuiltInPartner._keep,
    Task.REP: BuiltInPartner._rep,
    Task.CLOSE: BuiltInPartner._close,
}


def ask(base: str, request: RestRequest, token: str) -> tuple[int, dict[str, Any]]:
    """Make one request; returns status and JSON object (empty when the answer holds none).

    Raises PlacingError for a name of production, which is neither resolved nor dialled (requirement 145), OSError and HTTPException.
    """
    parts = urlsplit(base)
    if is_production(parts.hostname or ""):
        raise PlacingError(f"{parts.hostname} is a name of Salesforce's production: a rehearsal asks a simulator, so it is not dialled")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=PATIENCE)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Telephony-Provider-Name": rest.PROVIDER}
    try:
        connection.request(request.method, f"{parts.path.rstrip('/')}{request.path}", json.dumps(request.body), headers)
        answer = connection.getresponse()
        octets = answer.read(1024 * 1024)
    finally:
        connection.close()
    try:
        told = json.loads(octets or b"{}")
    except ValueError:
        told = {}
    return answer.status, told if isinstance(told, dict) else {}


def _dialled(answering: Answering) -> str:
    return answering.order.host if answering.order.host not in ("0.0.0.0", "::", "") else "127.0.0.1"
