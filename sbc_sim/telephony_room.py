"""The Telephony Integration API of one process, joined: options and keys from settings, voice calls of earlier runs, who hears of changes.

room = TelephonyRoom(settings, store, clock)       # raises SettingsError for a key file that cannot be used
room.told = lambda record: ...                     # each voice call that a request has changed
room.listen(reactor, options, credentials)         # the https listener, where one is set
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, maybeDeferred, succeed

from sbc_sim.calls.faults import Fault
from sbc_sim.calls.record_links import voice_calls_about
from sbc_sim.http.site import SiteOptions, build_telephony_site
from sbc_sim.http.telephony_source import Settled, TelephonySource, restore
from sbc_sim.journal.entries import Kind
from sbc_sim.journal.owners import Alone, Fellows
from sbc_sim.journal.store import Store
from sbc_sim.net.certificates import Credentials
from sbc_sim.net.shapes import Listen
from sbc_sim.partner_files import key_entries
from sbc_sim.settings import Settings
from sbc_sim.telephony.asking import RestFault
from sbc_sim.telephony.keys import KeyRing
from sbc_sim.telephony.model import Telephony
from sbc_sim.telephony.options import TelephonyOptions
from sbc_sim.telephony.record import VoiceCall

if TYPE_CHECKING:
    from sbc_sim.journal.kept import KeptStore

FindFault = Callable[[str, str, float], Fault | None]
"""`find(path, partner, now)`: the fault that strikes a request; its hit is counted."""


HEARD = {"sqlite": 0.15, "postgresql": 0.03}
"""Seconds in which other replicas hear what stands in the database: they look at a file ten times a second, PostgreSQL tells them."""
_FOLLOWED = frozenset({Kind.VOICE_CALL, Kind.TELEPHONY})
"""What other replicas tell of voice calls."""
LOOK = 0.005
LONGEST_WAIT = 2.0
"""Seconds after which a request is answered although the database has not taken what it changed."""


class Settling:
    """Lets an answer wait until other replicas know what it tells: a partner sends its INVITE as soon as its voice call is there."""

    def __init__(self, store: KeptStore, reactor: Any, alone: Callable[[], bool]) -> None:
        """`alone`: nobody else is there to hear it."""
        self._store, self._reactor, self._alone = store, reactor, alone
        self._heard = HEARD[store.health().kind]

    def __call__(self) -> Deferred[None]:
        """Fire when what was appended by now has been written and heard."""
        done: Deferred[None] = Deferred()
        if self._alone():
            done.callback(None)
            return done
        self._store.flush(0.0)  # asks for it to be written now
        self._look(done, self._store.newest, self._reactor.seconds() + LONGEST_WAIT)
        return done

    def _look(self, done: Deferred[None], ordinal: int, until: float) -> None:
        if done.called:  # whoever asked is gone
            return
        if self._store.written(ordinal) or self._reactor.seconds() >= until:
            self._reactor.callLater(self._heard, _fire, done)
        else:
            self._reactor.callLater(LOOK, self._look, done, ordinal, until)


def _fire(done: Deferred[None]) -> None:
    if not done.called:
        done.callback(None)


class TelephonyRoom:
    """The model, and what joins it to the other rooms."""

    def __init__(
        self, settings: Settings, store: Store, clock: Callable[[], float], find_fault: FindFault, fellows: Fellows | None = None
    ) -> None:
        """Build it from the settings and what the store has kept; `fellows`: the other replicas. Raises SettingsError."""
        self._listen = settings.telephony.tls_listen
        self._port: Any = None
        self.told: Callable[[VoiceCall], None] = lambda record: None
        self.model = telephony_of(settings)
        self.source: TelephonySource | None = None
        if self.model is not None:
            self.model.fault = lambda path, partner, now: _rest_fault(find_fault(path, partner, now))
            self.restored = restore(self.model, store)
            self.source = TelephonySource(
                self.model,
                clock,
                store.append,
                lambda record: self.told(record),
                tuple(settings.partners) or ("partner",),
                fellows or Alone(),
            )
            if fellows is not None and fellows.name:
                self._follow(self.source, store)

    def _follow(self, source: TelephonySource, store: Store) -> None:
        """Take what other replicas do; all of it anew when they did more than could be followed."""

        def missed() -> None:
            for entry in store.voice_calls():
                source.follow(entry)

        store.subscribe(source.follow, others=lambda: _FOLLOWED, missed=missed)

    def share(self, slot: int, settled: Settled) -> None:
        """Let ids tell which of several replicas made them, and answers wait until the others know of what they tell."""
        if self.model is not None and self.source is not None:
            self.model.share(slot)
            self.source.settled = settled

    def voice_calls(self, first: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """Give the voice calls that may have to do with one: see `partner_check.VoiceCalls`."""
        return () if self.model is None else voice_calls_about(self.model, first)

    def counts(self) -> tuple[int, int, int]:
        """Voice calls kept, open, and how many had to go so far."""
        table = None if self.model is None else self.model.table
        return (0, 0, 0) if table is None else (len(table), table.open, table.evicted)

    def listen(self, reactor: Any, options: SiteOptions, credentials: Credentials, listen_tcp: Listen | None = None) -> None:
        """Listen for https where that is set; `listen_tcp`: instead of the reactor's. Raises CannotListenError."""
        if self._listen is None or self.source is None:
            return
        from sbc_sim.net.https import https_factory

        site = https_factory(build_telephony_site(self.source, options, reactor), credentials)
        listen_tcp = listen_tcp or reactor.listenTCP
        self._port = listen_tcp(self._listen.port, site, backlog=128, interface=self._listen.host)

    @property
    def port(self) -> int | None:
        """Of the https listener; None without one."""
        return None if self._port is None else int(self._port.getHost().port)

    def stop(self) -> Deferred[Any]:
        """Listen no more."""
        return succeed(None) if self._port is None else maybeDeferred(self._port.stopListening)


def telephony_of(settings: Settings) -> Telephony | None:
    """Build the model; None when it is switched off. Raises SettingsError for a key file that cannot be used."""
    if not settings.telephony.enabled:
        return None
    values: dict[str, Any] = {name: getattr(settings.telephony, name) for name in TelephonyOptions.__dataclass_fields__}
    return Telephony(TelephonyOptions(**values), KeyRing(key_entries(settings)))


def _rest_fault(fault: Fault | None) -> RestFault | None:
    if fault is None:
        return None
    value = fault.value if isinstance(fault.value, int | float) else None
    return RestFault(fault.name, fault.type.name, value)
