"""Production: names that a rehearsal must never reach by accident (requirement 145)."""

from __future__ import annotations

import stringprep
import unicodedata

from sbc_sim.calls.region import PUBLIC_DOMAIN

DIAL_WORDS = "I know that this calls production"
"""What the setting sip.dial_production must say before such a name is resolved or dialled."""
_DOTS = str.maketrans("\u3002\uff0e\uff61", "...")
"""Full stops that a resolver takes for a dot (RFC 3490 section 3.1)."""


def is_production(host: str) -> bool:
    """Tell whether a name is Salesforce's own, in any way of writing that a resolver would take for it."""
    mapped = "".join(sign for sign in host.translate(_DOTS) if not stringprep.in_table_b1(sign))
    plain = unicodedata.normalize("NFKC", mapped).strip().lower().strip("[]").rstrip(".")
    return plain == PUBLIC_DOMAIN or plain.endswith(f".{PUBLIC_DOMAIN}")


def not_dialled(host: str) -> str:
    """Say why it is not dialled, and how it would be."""
    return (
        f"{host} is a name of Salesforce's production: it is neither resolved nor dialled. Map it to the simulator's address, "
        f"or set sip.dial_production to the words: {DIAL_WORDS}"
    )
