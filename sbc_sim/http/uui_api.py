"""The User-to-User workbench: read, judge and write values that belong to no call. Shares all of it with `sbc-sim uui`."""

from __future__ import annotations

import json

from sbc_sim.exports.redaction import mask_uui, mask_values
from sbc_sim.http.bodies import read_body
from sbc_sim.http.exchange import Asked, Reply, json_reply
from sbc_sim.http.problem import bad_request
from sbc_sim.http.routes import Route
from sbc_sim.http.secrets_shown import SECRETS, secrets_shown
from sbc_sim.rules.policy import Policy

LIMIT = 256 * 1024


class UuiApi:
    """Routes about User-to-User values."""

    def __init__(self, policy: Policy) -> None:
        """`policy` says by which rules a value is judged."""
        self._policy = policy

    def routes(self) -> tuple[Route, ...]:
        """The lines for the route table."""
        front = "/api/v1/uui"
        return (
            Route("POST", f"{front}/decode", self.decode, "What a value holds", SECRETS, body_limit=LIMIT, request="UuiValue",
                  response="UuiDecoded"),
            Route("POST", f"{front}/lint", self.lint, "What is wrong with a value", body_limit=LIMIT, request="UuiValue",
                  response="UuiLinted"),
            Route("POST", f"{front}/encode", self.encode, "Text or JSON as a value", body_limit=LIMIT, request="UuiContent",
                  response="UuiEncoded"),
        )  # fmt: skip

    def decode(self, asked: Asked) -> Reply:
        """Take a value apart. What cannot be read is told in `problems`, not refused."""
        from sbc_sim.calls.uui_alone import decoded

        shown = secrets_shown(asked.query)
        data = decoded(read_body(asked.body, "UuiValue").value, self._policy)
        return json_reply({**(data if shown else mask_uui(data)), "secrets": "shown" if shown else "masked"})

    def lint(self, asked: Asked) -> Reply:
        """Judge a value by the rules for User-to-User."""
        from sbc_sim.calls.uui_alone import judged, verdict_data

        return json_reply(mask_values(verdict_data(judged(read_body(asked.body, "UuiValue").value, self._policy))))

    def encode(self, asked: Asked) -> Reply:
        """Write a value."""
        from sbc_sim.calls.uui_alone import ECHO_PAYLOAD, encoded

        wanted = read_body(asked.body, "UuiContent")
        if wanted.echo:
            content = ECHO_PAYLOAD
        else:
            content = wanted.text if wanted.text is not None else json.dumps(wanted.json_, ensure_ascii=False, separators=(",", ":"))
        try:
            return json_reply(encoded(content, wanted.parameters))
        except UnicodeEncodeError as error:
            half = content[error.start : error.end].encode("ascii", "backslashreplace").decode()
            fix = "Write the whole character, or both of its escapes."
            raise bad_request("bad-member", f"json: {half} is half of a character and cannot be written in UTF-8.", fix) from None
