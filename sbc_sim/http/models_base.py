"""What all models have in common.

Annotations are evaluated at once here (no `from __future__ import annotations`): pydantic would compile each of them from text.
"""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel

Time = Annotated[AwareDatetime, Field(description="RFC 3339, UTC.")]
Status = Literal["pass", "warn", "fail", "skip", "unknown"]
State = Literal["ringing", "answered", "ended", "rejected"]
TOKEN = r"^[A-Za-z0-9.!%*_+`'~-]+$"
_NAME = Annotated[str, Field(pattern=TOKEN, max_length=64)]
_WORD = Annotated[str, Field(pattern=TOKEN, max_length=256)]
Parameters = Annotated[
    dict[_NAME, _WORD],
    Field(max_length=16),
    WithJsonSchema(
        {
            "type": "object",
            "propertyNames": {"type": "string", "pattern": TOKEN, "maxLength": 64},
            "additionalProperties": {"type": "string", "pattern": TOKEN, "maxLength": 256},
            "maxProperties": 16,
        }
    ),
]
Region = Annotated[str, Field(max_length=64)]


class In(BaseModel):
    """A body that is read: a member that is not known is refused."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, defer_build=True, hide_input_in_errors=True)


class Out(BaseModel):
    """An answer, or a part of one. Members may be added in later versions."""

    model_config = ConfigDict(alias_generator=to_camel, defer_build=True)
