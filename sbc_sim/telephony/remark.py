"""What the API says of a request: remarks that go along with an answer, and refusals that are one. All error bodies are made here.

Salesforce documents no error bodies but those of 429 and 403 (facts 2.3), so ours tell what a developer needs: a code for programs, what
was seen, the rule, and how to mend it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

WARN, FAIL = "warn", "fail"

CREATE = "SBC-E2E-001"
NAMED = "SBC-E2E-002"
ORG = "SBC-E2E-003"
DOMAIN = "SBC-E2E-004"
TOKEN_IN_UUI = "SBC-E2E-005"
ROOM = "SBC-E2E-006"
ONE_CALL = "SBC-E2E-007"
NUMBERS = "SBC-E2E-008"
KEY_REUSED = "SBC-E2E-009"
CLOSED = "SBC-E2E-010"
MESSAGE_KEY = "SBC-E2E-011"
ORDER = "SBC-E2E-012"
CLOSED_EARLY = "SBC-E2E-013"
ATTRIBUTES = "SBC-E2E-014"
MEMBERS = "SBC-E2E-015"
TOKEN = "SBC-E2E-016"
BODY = "SBC-E2E-017"
LIMITS = "SBC-E2E-018"
HANDLE = "SBC-E2E-019"
"""Rules of the area E2E that this room speaks of; their words stand in rules/entries."""


@dataclass(frozen=True, slots=True)
class Remark:
    """What a rule says of one request."""

    rule: str
    """Empty for what breaks none: an error that is answered on purpose."""
    status: str
    """``warn`` or ``fail``"""
    detail: str
    """What was seen, with the values."""
    fix: str = ""

    def data(self) -> dict[str, str]:
        """As JSON."""
        return {"rule": self.rule, "status": self.status, "detail": self.detail, "fix": self.fix}


class Refused(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, code: str, remark: Remark, headers: tuple[tuple[str, str], ...] = ()) -> None:
        """`code` is a stable word for programs."""
        super().__init__(remark.detail)
        self.status = status
        self.code = code
        self.remark = remark
        self.headers = headers

    @property
    def body(self) -> Mapping[str, Any]:
        """The error as a JSON object; `code` is the member that real clients look at."""
        told = self.remark
        words = {"message": told.detail, "rule": told.rule or None, "fix": told.fix}
        return {"code": self.code, **words, "errors": [{"errorCode": self.code, **words}]}


def bad_member(detail: str, fix: str, code: str = "INVALID_FIELD") -> Refused:
    """Return a 400 for a body that is not as documented."""
    return Refused(400, code, Remark(BODY, FAIL, detail, fix))
