"""Calls that are to be given back by INVITE, while the connection for them is being opened."""

from __future__ import annotations

from sbc_sim.calls.call import Call
from sbc_sim.calls.desk import Desk
from sbc_sim.calls.escalation import Escalation
from sbc_sim.calls.escalation_plan import Target
from sbc_sim.calls.outbox import Outbox, call_key
from sbc_sim.calls.outputs import Close
from sbc_sim.calls.register import Register
from sbc_sim.calls.returning import ReturnedCall, place_return
from sbc_sim.sip.peer import Peer, TlsFailure
from sbc_sim.sip.user_agent import UserAgent


class CallsBack:
    """Those of one switchboard."""

    def __init__(self, agent: UserAgent, outbox: Outbox, register: Register) -> None:
        """Begin with none."""
        self._agent = agent
        self._outbox = outbox
        self._register = register
        self._waiting: dict[int, tuple[Escalation, Target]] = {}
        """Connections that were asked for."""

    def __len__(self) -> int:
        """Return how many wait for their connection."""
        return len(self._waiting)

    def __contains__(self, connection: int) -> bool:
        """Tell whether a connection is to give a call back."""
        return connection in self._waiting

    def first_leg(self, connection: int) -> Call | None:
        """Give the call for which the connection is opened, as long as it is up."""
        waiting = self._waiting.get(connection)
        return None if waiting is None else self._register.live.get(waiting[0].leg.id)

    def give_back(self, escalation: Escalation, target: Target, now: float) -> None:
        """Open the connection for a call back."""
        partner = escalation.leg.place.partner
        connection, effects = self._agent.dial(target.host, target.port, partner.ca if partner is not None else "")
        self._waiting[connection] = (escalation, target)
        self._outbox.carry(effects, now)

    def connected(self, connection: int, peer: Peer, desk: Desk, call_id: str, closing: str, now: float) -> ReturnedCall | None:
        """Make the call back on the connection that was opened for it; its INVITE goes out with `begin`.

        None when the simulator closes, when there is nothing left to give back, or without a media port.
        """
        first = self.first_leg(connection)
        escalation, target = self._waiting.pop(connection)
        if first is None or escalation.over or closing:
            self._outbox.put(Close(connection, "the call to give back is over"))
            return None
        escalation.connected(peer.tls is not None and peer.tls.certificate_requested)
        call = place_return(call_id, escalation, target, connection, desk, now)
        if call is None:
            self._outbox.put(Close(connection, "no media port is free"))
        else:
            self._register.enter(call, call_key(call.outgoing.request, False), call.outgoing)
            self._register.join(call, first)
            escalation.calling(call.id, call.give_up, now)
        self._register.moved(first, now)
        return call

    def refused(self, connection: int, failure: TlsFailure, now: float) -> None:
        """Tell the escalation that waits for the connection that it cannot be had."""
        first = self.first_leg(connection)
        waiting = self._waiting.pop(connection, None)
        if waiting is not None and first is not None:
            waiting[0].unreachable(failure, now)
            self._register.moved(first, now)
