"""`openssl s_client` speaks raw SIP, shows a certificate where none is wanted, and tries an old TLS version."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.end_to_end import raw_sip
from tests.end_to_end.clients import openssl
from tests.end_to_end.clients.conversation import Conversation, wait_until
from tests.end_to_end.conftest import require
from tests.end_to_end.server import Server

pytestmark = [pytest.mark.partners, pytest.mark.timeout(180)]


@pytest.fixture(autouse=True)
def _openssl() -> None:
    require(openssl.NAME, openssl.missing())


def s_client(server: Server, folder: Path, *options: str) -> Conversation:
    return openssl.connect(server.sip_port, server.ca, folder, options)


def certificate(authority: trustme.CA, folder: Path, subject: str) -> Sequence[str]:
    """Options that make s_client show a certificate with this common name."""
    leaf = authority.issue_cert("sbc.partner.example", common_name=subject)
    leaf.private_key_and_cert_chain_pem.write_to_path(str(folder / "client.pem"))
    return ["-cert", str(folder / "client.pem"), "-key", str(folder / "client.pem")]


def attempts(server: Server) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = server.get("/api/v1/attempts")["attempts"]
    return listed


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_raw_options_get_200_over_each_tls_version(version: str, running_server: Server, tmp_path: Path) -> None:
    session = s_client(running_server, tmp_path, version)
    try:
        session.send(raw_sip.request("OPTIONS", f"openssl{version}"))
        session.wait_for(r"^SIP/2\.0 200 ")
        for header in ("Allow", "Accept", "Supported"):
            session.wait_for(rf"^{header}:")
        assert "Verify return code: 0 (ok)" in session.said
    finally:
        session.end()


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_client_certificate_is_refused_at_the_handshake_and_listed_with_its_subject(
    version: str, authority: trustme.CA, running_server: Server, tmp_path: Path
) -> None:
    subject = f"sbc{version}.partner.example"
    session = s_client(running_server, tmp_path, version, *certificate(authority, tmp_path, subject))
    try:
        session.wait_for(r"SSL alert number \d+")
        assert "SIP/2.0" not in session.said
    finally:
        session.end()
    wait_until(lambda: any(subject in str(attempt) for attempt in attempts(running_server)), f"an attempt that names {subject}")
    listed = next(attempt for attempt in attempts(running_server) if subject in str(attempt))
    assert [finding["status"] for finding in listed["findings"]] == ["fail"], listed
    assert listed["findings"][0]["rule"].startswith("SBC-TLS-")
    assert listed["findings"][0]["fix"]


def test_tls_1_1_is_refused_with_protocol_version_and_listed(running_server: Server, tmp_path: Path) -> None:
    before = len(attempts(running_server))
    session = s_client(running_server, tmp_path, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
    try:
        session.wait_for(r"SSL alert number 70")  # protocol_version, RFC 8446 section 6.2
    finally:
        session.end()
    wait_until(lambda: len(attempts(running_server)) > before, "the attempt is listed")


def test_a_client_that_does_not_trust_the_ca_is_listed_with_what_its_alert_means(
    authority: trustme.CA, running_server: Server, tmp_path: Path
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "other-ca.pem"))
    session = openssl.connect(running_server.sip_port, tmp_path / "other-ca.pem", tmp_path)
    try:
        session.wait_for(r"certificate verify failed|Verification error")
    finally:
        session.end()
    wait_until(lambda: any("unknown_ca" in str(attempt) for attempt in attempts(running_server)), "an attempt that names the alert")
