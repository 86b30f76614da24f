"""Reading JSON bodies by their models, so that what is documented and what is taken cannot differ."""

from __future__ import annotations

import difflib
import json
from importlib import import_module
from typing import TYPE_CHECKING, Any

from sbc_sim.http.problem import Problem, bad_request

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError


def read_json_object(body: bytes) -> dict[str, Any]:
    """Read a body that must be a JSON object; an empty one is the empty object. Raises Problem 400."""
    if not body.strip():
        return {}
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        why = (
            str(error)[:200]
            if isinstance(error, json.JSONDecodeError | UnicodeDecodeError)
            else "it is too deep, or a number in it too long"
        )
        raise bad_request("bad-json", f"The body is not JSON: {why}.", "Send one JSON object in UTF-8.") from None
    if not isinstance(value, dict):
        raise bad_request("not-an-object", "The body is JSON but no object.", 'Send {"name": value, ...}.')
    return value


def read_body(body: bytes, model: str) -> Any:
    """Read a body as the model of this name in http/models.py. Raises Problem 400 naming the first member that does not fit."""
    from pydantic import ValidationError

    kind: type[BaseModel] = import_module("sbc_sim.http.models").model(model)
    value = read_json_object(body)
    try:
        return kind.model_validate(value, strict=True)
    except (ValidationError, RecursionError) as error:
        raise (_misfit(error, kind) if isinstance(error, ValidationError) else _too_deep()) from None


def _misfit(error: ValidationError, kind: type[BaseModel]) -> Problem:
    found = error.errors(include_url=False, include_input=False)
    first = next((one for one in found if one["type"] == "extra_forbidden"), found[0])  # a wrong name is also one that is missing
    name = ".".join(str(part)[:40] for part in first["loc"])
    known = [field.alias or name for name, field in kind.model_fields.items()]
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name.rpartition(".")[2], known, 1, 0.5) if "." not in name else []
        fix = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(known)}."
        return bad_request("unknown-member", f"{name!r} means nothing here.", fix)
    reason = str(first.get("ctx", {}).get("error") or first["msg"]).rstrip(".")
    about = next((field.description for one, field in kind.model_fields.items() if (field.alias or one) == name), None)
    if first["type"] == "missing" and about:
        return bad_request("bad-member", f"{name} is missing.", f"Send {name}: {about}")
    return bad_request("bad-member", f"{name or 'The body'}: {reason}.", f"Known members: {', '.join(known)}; see /api/v1/openapi.json.")


def _too_deep() -> Problem:
    return bad_request("bad-json", "The body is nested too deeply.", "Send a flat object.")
