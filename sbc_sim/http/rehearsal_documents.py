"""Files about one rehearsal: the protocol as HTML, JSON and JUnit, and the SIP Signaling Configuration Form as HTML and Markdown.

The store is read on the reactor's thread; the file is made in another, from values that no longer change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

from sbc_sim.http.documents_api import HTML, REPORT_POLICY, XML, level_of, still
from sbc_sim.http.exchange import Asked, Reply, json_reply
from sbc_sim.http.problem import Problem, not_found
from sbc_sim.http.rehearsals_api import RehearsalDesk
from sbc_sim.http.routes import Route
from sbc_sim.http.work import Work
from sbc_sim.journal.store import Store, Trace

if TYPE_CHECKING:
    from sbc_sim.calls.partner import Partner
    from sbc_sim.calls.rehearsal import Rehearsal
    from sbc_sim.exports.form import Profile
    from sbc_sim.exports.rehearsal_report import About

MARKDOWN = "text/markdown; charset=utf-8"
LARGEST_CA = 256 * 1024
"""Octets of a CA bundle that are read for the form."""


class RehearsalDocuments:
    """Routes that give files about rehearsals."""

    def __init__(self, desk: RehearsalDesk | None, store: Store, version: Callable[[], str], work: Work) -> None:
        """`work`: the lane for files; `version`: of sbc-sim."""
        self._desk_or_none = desk
        self._store = store
        self._version = version
        self._work = work

    def routes(self) -> tuple[Route, ...]:
        """The lines for the route table."""
        one, redaction, trouble = "/api/v1/rehearsals/{id}", ("redaction",), (404, 503)
        return (
            Route("GET", f"{one}/report.html", self.rehearsal_html, "The protocol to read and print", redaction, HTML, problems=trouble),
            Route("GET", f"{one}/report.json", self.rehearsal_json, "The protocol for programs", redaction,
                  response="RehearsalReport", problems=trouble),
            Route("GET", f"{one}/report.xml", self.rehearsal_xml, "The protocol as JUnit XML", redaction, XML, problems=trouble),
            Route("GET", f"{one}/signaling-form.html", self.form_html, "The signalling form to print", (), HTML, problems=trouble),
            Route("GET", f"{one}/signaling-form.md", self.form_markdown, "The signalling form as Markdown", (), MARKDOWN, problems=trouble),
        )  # fmt: skip

    def rehearsal_html(self, asked: Asked) -> Deferred[Reply]:
        """Give the protocol for people."""
        data, traces, about, level = *self._parts(asked), level_of(asked)

        def write() -> Reply:
            from sbc_sim.exports.rehearsal_html import rehearsal_html

            octets = rehearsal_html(data, traces, about, level).encode("utf-8", "backslashreplace")
            return Reply(200, octets, HTML, (_named(asked, "html", "inline"), REPORT_POLICY))

        return self._work.do(write)

    def rehearsal_json(self, asked: Asked) -> Deferred[Reply]:
        """Give the protocol for programs."""
        data, traces, about, level = *self._parts(asked), level_of(asked)

        def write() -> Reply:
            from sbc_sim.exports.rehearsal_report import rehearsal_data

            return json_reply(rehearsal_data(data, traces, about, level), headers=(_named(asked, "json", "inline"),))

        return self._work.do(write)

    def rehearsal_xml(self, asked: Asked) -> Deferred[Reply]:
        """Give the protocol as JUnit XML: a test case for each step."""
        data, traces, about, level = *self._parts(asked), level_of(asked)

        def write() -> Reply:
            from sbc_sim.exports.rehearsal_junit import rehearsal_junit
            from sbc_sim.exports.rehearsal_report import rehearsal_data

            octets = rehearsal_junit(rehearsal_data(data, traces, about, level)).encode("utf-8", "backslashreplace")
            return Reply(200, octets, XML, (_named(asked, "xml"),))

        return self._work.do(write)

    def form_html(self, asked: Asked) -> Deferred[Reply]:
        """Give the filled form to print."""
        made = self._form(asked)

        def write() -> Reply:
            from sbc_sim.exports.form import form_html

            octets = form_html(made()).encode("utf-8", "backslashreplace")
            return Reply(200, octets, HTML, (_named(asked, "html", "inline", "signaling-form"), REPORT_POLICY))

        return self._work.do(write)

    def form_markdown(self, asked: Asked) -> Deferred[Reply]:
        """Give the filled form to paste."""
        made = self._form(asked)

        def write() -> Reply:
            from sbc_sim.exports.form import form_markdown

            octets = form_markdown(made()).encode("utf-8", "backslashreplace")
            return Reply(200, octets, MARKDOWN, (_named(asked, "md", "attachment", "signaling-form"),))

        return self._work.do(write)

    # --- parts -------------------------------------------------------------------------------------------------------------

    def _parts(self, asked: Asked) -> tuple[dict[str, Any], dict[str, Trace], About]:
        from sbc_sim.exports.rehearsal_report import About, calls_of

        desk, one = self._one(asked)
        data = one.data()
        found = {call: self._store.trace(call) for call in calls_of(data)}
        partner = desk.partners.get(one.wanted.partner)
        about = About(
            (partner.label if partner else "") or one.wanted.partner,
            partner.location if partner else "",
            partner.provider if partner else "",
            dict(desk.labels),
            self._version(),
        )
        return data, {call: still(trace) for call, trace in found.items() if trace is not None}, about

    def _form(self, asked: Asked) -> Callable[[], dict[str, Any]]:
        desk, one = self._one(asked)
        return form_of(one, desk, self._store)

    def _one(self, asked: Asked) -> tuple[RehearsalDesk, Rehearsal]:
        if self._desk_or_none is None:
            raise Problem(404, "no-rehearsals", "This process rehearses nothing.", "Ask the one that `sbc-sim serve` runs.")
        one = self._desk_or_none.get(asked.names["id"])
        if one is None:
            raise not_found("rehearsal", asked.names["id"], "GET /api/v1/rehearsals lists those that are kept.")
        return self._desk_or_none, one


def form_of(one: Rehearsal, desk: RehearsalDesk, store: Store) -> Callable[[], dict[str, Any]]:
    """Gather what the form of a rehearsal needs; the function given makes it, in any thread."""
    partner, traces = desk.partners.get(one.wanted.partner), _by_region(one, store)
    lines = [(name, desk.labels.get(name, name)) for name in one.wanted.regions]

    def made() -> dict[str, Any]:
        from sbc_sim.exports.form import form_data

        return form_data(_profile(one.wanted.partner, partner, lines), traces)

    return made


def form_flags(one: Rehearsal, desk: RehearsalDesk, store: Store) -> list[str]:
    """What is missing in the form of a rehearsal, or contradicted by its traffic: a sentence each."""
    from sbc_sim.exports.form import all_flags

    return all_flags(form_of(one, desk, store)())


def _by_region(one: Rehearsal, store: Store) -> dict[str, list[Trace]]:
    """Traces of the calls that a step passed with, by region."""
    calls = [step.call for step in one.steps.values() if step.call and step.state.value == "passed"]
    by_region: dict[str, list[Trace]] = {}
    for call in dict.fromkeys(calls):
        trace = store.trace(call)
        if trace is not None:
            by_region.setdefault(trace.call.region or "", []).append(still(trace))
    return by_region


def _profile(name: str, partner: Partner | None, lines: Sequence[tuple[str, str]]) -> Profile:
    from sbc_sim.exports.form import Authority, Line, Profile

    if partner is None:
        return Profile(name, lines=tuple(Line(region, label) for region, label in lines))
    of_region = [(region, label, partner.at(region)) for region, label in lines]
    told = tuple(
        Line(region, label, at.signalling, at.media, at.signalling_ports, at.media_ports, at.return_uri) for region, label, at in of_region
    )
    found, trouble = _authorities(partner.ca) if partner.ca else ([], "")
    authorities = tuple(Authority(*one) for one in found)
    return Profile(name, partner.label, partner.provider, partner.location, told, authorities, trouble, bool(partner.ca))


def _authorities(path: str) -> tuple[list[tuple[str, str, str]], str]:
    """Read the certificates of a CA bundle: subject, end, fingerprint; and what is wrong with the file."""
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256

    try:
        with Path(path).open("rb") as file:
            read = x509.load_pem_x509_certificates(file.read(LARGEST_CA))
    except OSError as error:
        return [], f"The CA file {Path(path).name} cannot be read: {error.strerror}."  # the form leaves the house: no folders of ours
    except ValueError:
        return [], f"The CA file {Path(path).name} holds no certificate in PEM form."
    told = [
        (one.subject.rfc4514_string(), one.not_valid_after_utc.strftime("%Y-%m-%d"), one.fingerprint(SHA256()).hex(":").upper())
        for one in read
    ]
    return told, ""


def _named(asked: Asked, ending: str, how: str = "attachment", what: str = "rehearsal") -> tuple[str, str]:
    safe = "".join(c if c.isalnum() or c in "-_." else "_" for c in asked.names["id"])[:80]
    return "Content-Disposition", f'{how}; filename="sbc-sim-{what}-{safe}.{ending}"'
