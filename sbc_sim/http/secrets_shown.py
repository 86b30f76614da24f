"""The one query parameter that unmasks."""

from __future__ import annotations

from collections.abc import Mapping

from sbc_sim.http.problem import bad_request

SECRETS = ("secrets",)


def secrets_shown(query: Mapping[str, str]) -> bool:
    """Say whether ``?secrets=show`` stands there. Raises Problem 400 for any other value."""
    wanted = query.get("secrets")
    if wanted not in (None, "show"):
        raise bad_request("bad-secrets", f"secrets={wanted[:20]!r} is unknown.", "Use secrets=show, or leave it out.")
    return wanted == "show"
