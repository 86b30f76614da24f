"""Dialogs (RFC 3261 section 12): identity, route set, remote target, sequence numbers.

The life of a dialog is a table: early, confirmed, terminated. What belongs to the session (media, timers) is the call's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sbc_sim.sip.errors import InvalidInput
from sbc_sim.sip.headers import CSeq, NameAddr, add_tag
from sbc_sim.sip.message import Request, Response
from sbc_sim.sip.peer import Peer
from sbc_sim.sip.uri import Uri


class DialogState(StrEnum):
    """States of section 12, with the state before the ACK told apart because BYE depends on it (section 15)."""

    EARLY = "early"
    ANSWERED = "answered"
    """2xx sent or received, ACK not yet."""
    CONFIRMED = "confirmed"
    TERMINATED = "terminated"


class DialogInput(StrEnum):
    """What moves a dialog."""

    PROVISIONAL = "1xx"
    SUCCESS = "2xx"
    FAILURE = "300-699"
    ACK = "ack"
    BYE = "bye"
    """Sent or received."""


DIALOG: Mapping[tuple[DialogState, DialogInput], DialogState] = {
    (DialogState.EARLY, DialogInput.PROVISIONAL): DialogState.EARLY,
    (DialogState.EARLY, DialogInput.SUCCESS): DialogState.ANSWERED,
    (DialogState.EARLY, DialogInput.FAILURE): DialogState.TERMINATED,
    (DialogState.EARLY, DialogInput.BYE): DialogState.TERMINATED,
    (DialogState.ANSWERED, DialogInput.SUCCESS): DialogState.ANSWERED,
    (DialogState.ANSWERED, DialogInput.ACK): DialogState.CONFIRMED,
    (DialogState.ANSWERED, DialogInput.BYE): DialogState.TERMINATED,
    (DialogState.CONFIRMED, DialogInput.SUCCESS): DialogState.CONFIRMED,
    (DialogState.CONFIRMED, DialogInput.ACK): DialogState.CONFIRMED,
    (DialogState.CONFIRMED, DialogInput.BYE): DialogState.TERMINATED,
    # BYE from both sides at once, and what was on the wire when the dialog ended
    (DialogState.TERMINATED, DialogInput.ACK): DialogState.TERMINATED,
    (DialogState.TERMINATED, DialogInput.BYE): DialogState.TERMINATED,
}

DialogId = tuple[str, str, str]
"""Call-ID, local tag, remote tag."""


@dataclass(slots=True, eq=False)
class Dialog:
    """One dialog as one side sees it."""

    call_id: str
    local_tag: str
    remote_tag: str
    local: str
    """Our From or To value, tag included."""
    remote: str
    """The peer's, tag included when it has one."""
    remote_target: str
    """URI of the peer's Contact, verbatim (requirement 46)."""
    route_set: tuple[str, ...] = ()
    """In the order in which Route is to be written."""
    local_sequence: int = 0
    remote_sequence: int | None = None
    secure: bool = False
    connection: int | None = None
    """The connection that carries it; None when that is gone."""
    peer: Peer | None = None
    """Who was at the other end when it began: how we were reached then names us on a later connection too."""
    trust: str = ""
    """CA bundle for a new connection to the peer, see `Dial`."""
    state: DialogState = DialogState.EARLY

    @property
    def id(self) -> DialogId:
        """Call-ID, local tag, remote tag (12)."""
        return (self.call_id, self.local_tag, self.remote_tag)

    def feed(self, what: DialogInput) -> None:
        """Move on. Raises InvalidInput for a step that the table does not have."""
        try:
            self.state = DIALOG[self.state, what]
        except KeyError:
            raise InvalidInput(f"dialog: no {what} in state {self.state}") from None

    @property
    def over(self) -> bool:
        """True when nothing more may be sent in it."""
        return self.state is DialogState.TERMINATED

    def destination(self) -> tuple[str, list[str]]:
        """Request-URI and Route values for a request within the dialog (12.2.1.1), strict routers included."""
        if not self.route_set:
            return self.remote_target, []
        first = NameAddr.parse(self.route_set[0], "Route").uri
        if "lr" in first.parameters:
            return self.remote_target, list(self.route_set)
        return str(first), [*self.route_set[1:], f"<{self.remote_target}>"]

    def next_hop(self) -> Uri:
        """Where a new connection for this dialog must go: the first route, else the remote target."""
        return NameAddr.parse(self.route_set[0], "Route").uri if self.route_set else Uri.parse(self.remote_target, "Contact")


def dialog_of_callee(invite: Request, local_tag: str, connection: int) -> Dialog:
    """Make the dialog of a UAS from the INVITE that it answers (12.1.1)."""
    sender = NameAddr.parse(invite.headers.first("From") or "", "From")
    receiver = invite.headers.first("To") or ""
    routes = tuple(invite.headers.listed("Record-Route"))
    return Dialog(
        call_id=invite.headers.first("Call-ID") or "",
        local_tag=local_tag,
        remote_tag=sender.tag or "",
        local=add_tag(receiver, local_tag),
        remote=invite.headers.first("From") or "",
        remote_target=contact_uri(invite),
        route_set=routes,
        remote_sequence=_sequence(invite),
        secure=is_secure(invite, routes),
        connection=connection,
    )


def dialog_of_caller(invite: Request, response: Response, connection: int) -> Dialog:
    """Make the dialog of a UAC from a 1xx or 2xx with a To tag (12.1.2)."""
    receiver = response.headers.first("To") or ""
    routes = tuple(reversed(response.headers.listed("Record-Route")))
    return Dialog(
        call_id=invite.headers.first("Call-ID") or "",
        local_tag=NameAddr.parse(invite.headers.first("From") or "", "From").tag or "",
        remote_tag=NameAddr.parse(receiver, "To").tag or "",
        local=invite.headers.first("From") or "",
        remote=receiver,
        remote_target=contact_uri(response) or invite.uri,
        route_set=routes,
        local_sequence=_sequence(invite),
        secure=invite.uri.lower().startswith("sips:"),
        connection=connection,
    )


def is_secure(invite: Request, record_routes: tuple[str, ...]) -> bool:
    """Tell whether our Contact must be a sips URI: Request-URI is, or top Record-Route, or without any the Contact (12.1.1)."""
    above = NameAddr.parse(record_routes[0], "Record-Route").uri.scheme if record_routes else contact_uri(invite)[:5].lower().rstrip(":")
    return invite.uri.lower().startswith("sips:") or above == "sips"


def contact_uri(message: Request | Response) -> str:
    """URI of the first Contact, verbatim; empty when there is none."""
    contacts = message.headers.listed("Contact")
    return str(NameAddr.parse(contacts[0], "Contact").uri) if contacts else ""


def _sequence(message: Request | Response) -> int:
    return CSeq.parse(message.headers.first("CSeq") or "").number
