"""What the server owes to each message of RFC 4475, by the name of its file: a status, silence, or a clean close.

The expectations follow RFC 4475 where it leaves no choice, and our own requirements (README and docs/decisions) where it does:
a message of which the needed parts cannot be read gets 400, REGISTER and the like get 405 whatever they carry, and a call
without User-to-User is refused by its own rule even when the rest of the message is a torture.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class After(Enum):
    """What becomes of the connection."""

    OPEN = "it takes the next request"
    CLOSED = "it is closed cleanly"


@dataclass(frozen=True)
class Owed:
    """The final answers in order, the rule that the last one names, the state of the connection, and the section of RFC 4475."""

    section: str
    statuses: tuple[int, ...]
    rule: str = ""
    after: After = After.OPEN
    also_send: bytes = b""
    """Sent as a second write: what the file lacks to be whole."""


NO_UUI = "SBC-UUI-"
MALFORMED = "SBC-SIP-0"
EXPECTED = {
    # 3.1.1 valid messages
    "wsinv": Owed("3.1.1.1", (481,), "SBC-DLG-"),  # its To has a tag, and there is no such dialog
    "intmeth": Owed("3.1.1.2", (501,)),
    "esc01": Owed("3.1.1.3", (400,), NO_UUI),
    "escnull": Owed("3.1.1.4", (405,)),
    "esc02": Owed("3.1.1.5", (501,)),  # %47 is not unescaped in a method
    "lwsdisp": Owed("3.1.1.6", (200,)),
    "longreq": Owed("3.1.1.7", (400,), NO_UUI),
    "dblreq": Owed("3.1.1.8", (405, 400), after=After.CLOSED),  # on a stream the second request counts, and its length is 1 short
    "semiuri": Owed("3.1.1.9", (200,)),
    "transports": Owed("3.1.1.10", (200,)),
    "mpart01": Owed("3.1.1.11", (405,)),
    "unreason": Owed("3.1.1.12", ()),
    "noreason": Owed("3.1.1.13", ()),
    # 3.1.2 invalid messages
    "badinv01": Owed("3.1.2.1", (400,), MALFORMED),
    "clerr": Owed("3.1.2.2", (), after=After.CLOSED),  # on a stream it is a message that never ends
    "ncl": Owed("3.1.2.3", (400,), MALFORMED, After.CLOSED),
    "scalar02": Owed("3.1.2.4", (400,), MALFORMED),
    "scalarlg": Owed("3.1.2.5", ()),
    "quotbal": Owed("3.1.2.6", (400,), MALFORMED),
    "ltgtruri": Owed("3.1.2.7", (400,), MALFORMED),
    "lwsruri": Owed("3.1.2.8", (400,), MALFORMED),
    "lwsstart": Owed("3.1.2.9", (400,), MALFORMED),
    "trws": Owed("3.1.2.10", (400,), MALFORMED),
    "escruri": Owed("3.1.2.11", (400,)),
    "baddate": Owed("3.1.2.12", (400,), NO_UUI),  # Date is not needed, so it is not looked at
    "regbadct": Owed("3.1.2.13", (405,)),
    "badaspec": Owed("3.1.2.14", (200,)),  # both may be read leniently: the blanks are dropped, the missing quotes inferred
    "baddn": Owed("3.1.2.15", (200,), also_send=b"\r\n"),  # the file lacks its last, blank line
    "badvers": Owed("3.1.2.16", (505,)),
    "mismatch01": Owed("3.1.2.17", (400,), MALFORMED),
    "mismatch02": Owed("3.1.2.18", (400,), MALFORMED),
    "bigcode": Owed("3.1.2.19", ()),
    # 3.2 transaction layer
    "badbranch": Owed("3.2.1", (200,)),  # the cookie alone is no branch: matched as RFC 2543 did
    # 3.3 application layer
    "insuf": Owed("3.3.1", (400,), MALFORMED),
    "unkscm": Owed("3.3.2", (416,)),
    "novelsc": Owed("3.3.3", (416,)),
    "unksm2": Owed("3.3.4", (405,)),
    "bext01": Owed("3.3.5", (420,)),
    "invut": Owed("3.3.6", (415,)),
    "regaut01": Owed("3.3.7", (405,)),
    "multi01": Owed("3.3.8", (400,), MALFORMED),
    "mcl01": Owed("3.3.9", (400,), MALFORMED, After.CLOSED),
    "bcast": Owed("3.3.10", ()),
    "zeromf": Owed("3.3.11", (200,)),
    "cparam01": Owed("3.3.12", (405,)),
    "cparam02": Owed("3.3.13", (405,)),
    "regescrt": Owed("3.3.14", (405,)),
    "sdp01": Owed("3.3.15", (400,), NO_UUI),
    # 3.4 older peers
    "inv2543": Owed("3.4.1", (400,), MALFORMED, After.CLOSED),  # no Content-Length: on a stream nobody knows where it ends
}
# What an answer has to say beside its status.
HEADERS = {405: ("Allow",), 415: ("Accept",), 420: ("Unsupported",), 200: ("Allow", "Accept", "Supported")}
