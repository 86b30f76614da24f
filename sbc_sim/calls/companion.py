"""Companions: what goes along with a call beside the protocol, an agent that talks say, or a fault that strikes after a while.

A call knows its companions by this shape alone, and tells them when it is up, when something was heard, when time has come and when
it is over. They act on the call through `Acts`, which `Call` offers, and never see SIP messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from sbc_sim.journal.entries import Kind
from sbc_sim.rtp.leg import LegEvent, Prompt
from sbc_sim.rules.evidence import Evidence

NO_DATA: Mapping[str, str] = {}


class Acts(Protocol):
    """What a companion can do with its call, and know of it."""

    id: str
    evidence: Evidence

    def record(self, kind: Kind, now: float, data: Mapping[str, object]) -> None:
        """Append an entry of this call to the journal."""

    def hang_up(self, reason: str, text: str, now: float, extra: tuple[tuple[str, str], ...] = ()) -> None:
        """End the call: BYE with `extra` header fields beside Reason. While it rings it is refused."""

    def say(self, prompt: Prompt | None, now: float) -> None:
        """Play a prompt towards the partner, instead of what plays; None: be silent. Its end is heard as PROMPT_OVER."""

    def refresh(self, method: str, now: float) -> None:
        """Refresh the session by UPDATE or INVITE; empty: as the partner allows."""

    def hold(self, held: bool, now: float) -> None:
        """Put the call on hold by re-INVITE, or resume it."""

    def drop_connection(self, now: float) -> None:
        """Drop the TCP connection of the dialog at once (RST)."""

    def renew_certificate(self, now: float) -> None:
        """Show another server certificate on new connections from now on."""

    def escalate(self, mode: str, why: str, now: float, data: Mapping[str, str] = NO_DATA) -> None:
        """Give the call back to the partner. `mode`: bye, bye+data, invite-back, refer; empty: as set for the call.

        `data`: what a scenario gives the partner with it by name, in modes that carry data.
        """


class Companion(Protocol):
    """What goes along with one call. Times are unix seconds."""

    @property
    def deadline(self) -> float | None:
        """When `advance` wants to be called next."""

    def established(self, now: float) -> None:
        """The ACK has come: both sides talk."""

    def heard(self, event: LegEvent, now: float) -> None:
        """The leg has heard something, or is through with a prompt."""

    def advance(self, now: float) -> None:
        """Time has come."""

    def over(self, now: float) -> None:
        """The call has ended, by whomever; the last chance to note something before the verdict."""
