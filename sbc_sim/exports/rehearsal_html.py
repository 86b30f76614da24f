"""The report of a rehearsal as one HTML file that reads like a certification protocol: no script, no request to anywhere, fit for paper."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from sbc_sim.exports.ladder_svg import ladder_css, ladder_svg
from sbc_sim.exports.redacted import Redaction, redacted
from sbc_sim.exports.redaction import visible
from sbc_sim.exports.rehearsal_report import About, data_of
from sbc_sim.journal.store import Trace

if TYPE_CHECKING:
    from jinja2 import Template


def rehearsal_html(rehearsal: Mapping[str, Any], traces: Mapping[str, Trace], about: About, level: Redaction) -> str:
    """Write the report; the traces are redacted here."""
    from markupsafe import Markup

    shown = {call: redacted(trace, level) for call, trace in traces.items()}
    data = data_of(rehearsal, traces, shown, about, level)
    style = document_style()
    ladders = {call: Markup(ladder_svg(trace, embedded=True)) for call, trace in shown.items()}
    return document_template("rehearsal.html").render(
        data=data,
        style=Markup(style),
        policy=policy_of(style),
        ladders=ladders,
        calls={call["id"]: call for call in data["calls"]},
        fired=[guess for guess in data["guesses"] if {"fail", "warn", "unknown"} & set(guess["statuses"])],
        kept=[guess for guess in data["guesses"] if not {"fail", "warn", "unknown"} & set(guess["statuses"])],
        shown=visible,
    )


def policy_of(style: str) -> str:
    """The Content-Security-Policy that allows this style and nothing else."""
    digest = b64encode(sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"


@cache
def document_style() -> str:
    """The style of reports, with what protocols and forms need beside it."""
    folder = files("sbc_sim.exports")
    return "".join(folder.joinpath(f"templates/{name}.css").read_text("utf-8") for name in ("report", "rehearsal")) + ladder_css()


@cache
def document_template(name: str) -> Template:
    """A template that escapes every text."""
    from jinja2 import Environment

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(files("sbc_sim.exports").joinpath(f"templates/{name}").read_text("utf-8"))
