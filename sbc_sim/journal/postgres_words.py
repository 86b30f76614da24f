"""What PostgreSQL could not do, in one sentence with the cure; and its URL, as it may be shown."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from sbc_sim.journal.database import DatabaseError
from sbc_sim.journal.store import StoreError


class Place(NamedTuple):
    """Where a database is, for people."""

    shown: str
    """The URL without a password."""
    server: str
    user: str
    database: str


def place_of(url: str) -> Place:
    """Read a URL of PostgreSQL. Raises StoreError."""
    shown = re.sub(r"(//[^/@:]*):.*@", r"\1@", url)  # a / in it that is not written as %2F too
    shown = re.sub(r"(?<=[?&])(password|sslpassword)=[^&]*&?", "", shown).rstrip("?&")
    parts = urlsplit(shown)
    if parts.scheme not in ("postgresql", "postgres"):
        raise StoreError(f"store.url {shown} is no URL of PostgreSQL: write postgresql://USER@HOST:PORT/DATABASE")
    user, _, address = parts.netloc.rpartition("@")
    server = f"PostgreSQL at {address or 'the local socket'}"
    return Place(shown, server, unquote(user) or "its user", unquote(parts.path.lstrip("/")) or unquote(user) or "its database")


_AUTHENTICATION = (
    "password authentication failed",
    "no password supplied",
    "Peer authentication",
    "Ident authentication",
    "no pg_hba.conf entry",
)


def sentence(error: Exception, at: Place) -> str:
    """Say in one sentence what could not be done, and the cure."""
    words = str(error)
    code = error.code if isinstance(error, DatabaseError) else ""
    for told in (_of_code(code, words, at), _of_connecting(words, at)):
        if told:
            return told
    if isinstance(error, DatabaseError) and not code:
        return f"{at.server} cannot be reached ({words}): look after it and the network to it, or mend store.url"
    return f"{at.server} cannot be used ({words}{f'; {code}' if code else ''}): look after it, or name another database in store.url"


def _of_code(code: str, words: str, at: Place) -> str:
    """What is told by an SQLSTATE."""
    if code.startswith("28"):
        return _not_let_in(words, at)
    if code == "3D000":
        return _no_database(at)
    if code.startswith("57P"):
        return f"{at.server} was stopped, or is starting ({words}): start it, or wait"
    if code == "53100":
        return f"the disk of {at.server} is full: make room there"
    if code == "53300":
        return f"{at.server} has no connection left for {at.user} ({words}): raise max_connections, or run fewer replicas"
    if code == "42501":
        return f"{at.user} may not do what is needed in {at.shown} ({words}): GRANT CREATE ON DATABASE {at.database} TO {at.user}"
    if code == "25006":
        return f"{at.server} takes no writing ({words}): name the primary in store.url"
    if code in ("57014", "55P03", "40P01", "40001"):
        return f"{at.server} is too busy ({words}): look after it"
    if code in ("42P01", "42703", "3F000"):
        return f"the tables in {at.shown} were removed or changed under a running sbc-sim ({words}): start again"
    return ""


def _of_connecting(words: str, at: Place) -> str:
    """What is told in words alone, as by a connection that could not be made."""
    if any(part in words for part in _AUTHENTICATION):
        return _not_let_in(words, at)
    if "does not exist" in words and "database" in words:
        return _no_database(at)
    if "role" in words and "does not exist" in words:
        return _not_let_in(words, at)
    if "refused" in words or "No such file" in words:
        return f"no {at.server} answers (connection refused): start it, or mend store.url"
    if "resolve" in words or "translate host name" in words or "Name or service not known" in words:
        return f"the host of {at.server} has no address ({words}): mend store.url, or the name service"
    if "starting up" in words or "shutting down" in words:
        return f"{at.server} was stopped, or is starting ({words}): start it, or wait"
    if "remaining connection slots" in words or "too many clients" in words:
        return f"{at.server} has no connection left for {at.user}: raise max_connections, or run fewer replicas"
    if "timeout" in words or "no answer within" in words:
        return f"{at.server} does not answer ({words}): look after it, and the network to it"
    if "URI" in words or "connection info" in words or "connection option" in words:
        return f"store.url {at.shown} is no URL of PostgreSQL ({words}): write postgresql://USER@HOST:PORT/DATABASE"
    return ""


def _not_let_in(words: str, at: Place) -> str:
    told = re.sub(r"^connection (to server )?.*?(FATAL|failed):\s*", "", words)
    return f"{at.server} does not let {at.user} in ({told}): mend store.password or the user in store.url, or pg_hba.conf there"


def _no_database(at: Place) -> str:
    return f"{at.server} has no database {at.database}: CREATE DATABASE {at.database} OWNER {at.user}, or mend store.url"
