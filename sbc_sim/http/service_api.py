"""The part of the API that tells about the service itself: health, addresses, metrics, rules, the CA."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred

from sbc_sim.http.events import health_json
from sbc_sim.http.exchange import JSON, Asked, Reply, json_reply
from sbc_sim.http.metrics import Metrics
from sbc_sim.http.problem import Problem, not_found
from sbc_sim.http.routes import Answer, Answering, Route, check_accept, wants_html
from sbc_sim.journal.store import Store
from sbc_sim.rules.catalogue import RULE_SET_VERSION, RULES
from sbc_sim.rules.explain import explain, rule_data

PEM = "application/x-pem-file"
PARTS = ("info", "setup", "calls", "attempts", "messages", "events", "rules")
LINKS = {name: f"api/v1/{name}" for name in PARTS} | {"metrics": "metrics", "ready": "readyz"}
"""What the index points to. Relative, so that it holds behind a reverse proxy with a sub-path too."""


class ServiceApi:
    """Routes about the service."""

    def __init__(
        self,
        info: Callable[[], Mapping[str, Any]],
        unready: Callable[[], Sequence[str]],
        metrics: Metrics,
        ca_file: Path | None,
        setup: Callable[[], Mapping[str, Any]],
        store: Store,
        page: Answering,
    ) -> None:
        """See Sources for the parts; `page` answers a browser at /."""
        self._info = info
        self._unready = unready
        self._metrics = metrics
        self._ca_file = ca_file
        self._setup = setup
        self._store = store
        self._page = page

    def routes(self) -> tuple[Route, ...]:
        """The lines for the route table."""
        return (
            Route("GET", "/", self.index, "The page, or what is where for programs", produces="", open_to_browsers=True, problems=(404,)),
            Route("GET", "/livez", self.livez, "The process answers", open=True, response="Live"),
            Route("GET", "/readyz", self.readyz, "Calls can be taken", open=True, response="Ready"),
            Route("GET", "/metrics", self.metrics, "Prometheus metrics", produces=""),
            Route("GET", "/api/v1/info", self.info, "Version, addresses, CA fingerprint", response="Info"),
            Route("GET", "/api/v1/setup", self.setup, "How to point an SBC here", response="Setup"),
            Route("GET", "/api/v1/rules", self.rules, "The rules, or those that a word finds", ("q",), response="Rules"),
            Route("GET", "/api/v1/rules/{id}", self.rule, "One rule", response="Rule"),
            Route("GET", "/api/v1/tls/ca.pem", self.ca, "The CA to import into your SBC", produces=PEM, open=True, problems=(404,)),
        )

    def index(self, asked: Asked) -> Answer | Deferred[Reply]:
        """Tell a visitor what is where; a browser gets the page."""
        if wants_html(asked.accept):
            return self._page(asked)
        check_accept(asked.accept, JSON)
        told = {"name": "sbc-sim", "version": self._info().get("version"), "links": LINKS, "docs": "docs/http.md"}
        return json_reply(told, headers=(("Vary", "Accept"),))

    def livez(self, asked: Asked) -> Reply:
        """Say that the process lives: whoever reads this knows it."""
        return json_reply({"live": True})

    def readyz(self, asked: Asked) -> Reply:
        """Say whether calls can be taken, and why not."""
        reasons = list(self._unready())
        return json_reply({"ready": not reasons, "reasons": reasons}, 503 if reasons else 200)

    def metrics(self, asked: Asked) -> Reply:
        """Give the metrics in the format that the scraper prefers."""
        body, media_type = self._metrics.exposition(asked.accept)
        return Reply(200, body, media_type)

    def info(self, asked: Asked) -> Reply:
        """Tell what the service knows of itself."""
        return json_reply({**self._info(), "store": health_json(self._store.health())})

    def setup(self, asked: Asked) -> Reply:
        """Tell how to point an SBC here."""
        return json_reply(dict(self._setup()))

    def rules(self, asked: Asked) -> Reply:
        """List the rules; ``q`` searches as `sbc-sim explain` does."""
        word = asked.query.get("q", "")
        found = explain(word) if word else RULES.values()
        return json_reply({"ruleSet": RULE_SET_VERSION, "rules": [rule_data(rule) for rule in found]})

    def rule(self, asked: Asked) -> Reply:
        """Explain one rule."""
        rule = RULES.get(asked.names["id"].upper())
        if rule is None:
            raise not_found("rule", asked.names["id"], "GET /api/v1/rules lists them all.")
        return json_reply(rule_data(rule))

    def ca(self, asked: Asked) -> Reply:
        """Give the CA certificate. It holds no secret."""
        if self._ca_file is None:
            detail = "The certificate in use was not made here, so there is no CA to give away."
            raise Problem(404, "no-ca", detail, "Ask whoever issued the certificate in tls.cert_file.")
        try:
            body = self._ca_file.read_bytes()
        except OSError as error:
            raise Problem(404, "no-ca", f"The CA file cannot be read: {error.strerror}.", "See tls.dir in the settings.") from None
        return Reply(200, body, PEM, (("Content-Disposition", 'attachment; filename="sbc-sim-ca.pem"'),))
