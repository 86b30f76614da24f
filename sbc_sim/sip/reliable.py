"""Reliable provisional responses to an INVITE of ours: each is acknowledged once, and may bring the answer to our offer (RFC 3262)."""

from __future__ import annotations

from sbc_sim.sip.body import sdp_body
from sbc_sim.sip.client_side import ClientSide
from sbc_sim.sip.dialog import Dialog, DialogId
from sbc_sim.sip.effects import Effect
from sbc_sim.sip.errors import MalformedMessage
from sbc_sim.sip.message import Response
from sbc_sim.sip.text import parse_number


class ReliableProvisionals:
    """Those of one INVITE, which may have come to several dialogs."""

    def __init__(self, client: ClientSide) -> None:
        """`client` sends the PRACKs."""
        self._client = client
        self._numbers: dict[DialogId, int] = {}
        """The RSeq that was acknowledged last."""
        self._answers: dict[DialogId, Response] = {}

    def acknowledge(self, response: Response, dialog: Dialog, now: float) -> list[Effect]:
        """Send PRACK for a provisional response that asks for it.

        One that comes again is left alone, and so is one that is not the next in order (section 4): it will come again.
        Raises MalformedMessage for an RSeq that is missing or no number.
        """
        if not any(tag.lower() == "100rel" for tag in response.headers.listed("Require")):
            return []
        number = parse_number(response.headers.first("RSeq") or "", "RSeq")
        last = self._numbers.get(dialog.id)
        if last is not None and number != last + 1:
            return []
        self._numbers[dialog.id] = number
        if _describes(response):
            self._answers.setdefault(dialog.id, response)
        rack = f"{number} {response.headers.first('CSeq')}"
        return self._client.request(dialog, "PRACK", now, (("RAck", rack),))[1]

    def answer(self, final: Response, dialog: Dialog) -> Response:
        """Give the response that answers the offer in the INVITE: the first reliable one with a description, else the `final` one.

        What describes a session later changes nothing (RFC 3261 section 13.2.1).
        """
        return self._answers.get(dialog.id, final)


def _describes(response: Response) -> bool:
    try:
        return sdp_body(response) is not None
    except MalformedMessage:
        return True  # whoever reads the answer says what is wrong with it
