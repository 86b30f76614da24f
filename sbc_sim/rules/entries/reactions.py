"""What the rules about the partner's reactions to faults say: SBC-DLG-014 to 019."""

from __future__ import annotations

from sbc_sim.rules.finding import Rule

REACTIONS = (
    Rule(
        id="SBC-DLG-014",
        title="A refusal of the INVITE is acknowledged",
        severity="must",
        why="Without ACK the SBC keeps the transaction for 32 s, and over UDP it would repeat the refusal all the while.",
        fix="Send ACK hop by hop for every final answer to an INVITE: with the INVITE's branch, and the To tag of the answer.",
        source="RFC 3261 section 17.1.1.3",
        keywords=("ack", "486", "480", "503", "302"),
    ),
    Rule(
        id="SBC-DLG-015",
        title="Retry-After is respected",
        severity="must",
        why="A 503 with Retry-After asks to keep away for so many seconds. Who calls again at once keeps an overloaded SBC overloaded.",
        fix="Go to another SBC, or wait for the seconds of Retry-After before the next request to this one.",
        source="RFC 3261 sections 20.33 and 21.5.4",
        keywords=("retry-after", "503", "overload"),
    ),
    Rule(
        id="SBC-DLG-016",
        title="A call that is not answered is given up with CANCEL",
        severity="must",
        why="An INVITE that rang has no time-out of its own: without CANCEL the agent's side rings on after the customer has hung up.",
        fix="Set a time-out for ringing (60 to 180 s) and send CANCEL when it is over; then wait for the 487 and acknowledge it.",
        source="RFC 3261 sections 9.1 and 13.2.1",
        keywords=("cancel", "no answer", "ring", "timer c"),
    ),
    Rule(
        id="SBC-DLG-017",
        title="The session ends with the BYE, answered or not",
        severity="must",
        why="Whoever sent BYE must stop sending media and stop listening, even when no answer comes within 32 s.",
        fix="Close the media when BYE is sent, and free the call when its transaction times out.",
        source="RFC 3261 section 15.1.1",
        keywords=("bye", "timeout", "408"),
    ),
    Rule(
        id="SBC-DLG-018",
        title="Our hold is answered with recvonly or inactive",
        severity="must",
        why="The SBC holds with a=sendonly. An answer that still wants to send talks to nobody.",
        fix="Answer a=sendonly with a=recvonly, or with a=inactive, and stop sending until the next offer.",
        source="RFC 3264 sections 6.1 and 8.4",
        keywords=("hold", "sendonly", "recvonly", "re-invite"),
    ),
    Rule(
        id="SBC-DLG-019",
        title="After its connection breaks the partner comes back on a new one",
        severity="must",
        why="A dialog outlives the TCP connection that it began on. BYE belongs to the dialog and can be sent on any connection.",
        fix="On a reset open a new TLS connection to the SBC's Contact, and go on with the dialog there, if only with BYE.",
        source="RFC 3261 section 18; RFC 5923",
        keywords=("rst", "reset", "connection", "reconnect"),
    ),
)
