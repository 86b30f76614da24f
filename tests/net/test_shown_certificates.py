"""Rotation with certificates of one's own: their CA is none of ours, so a new leaf can only come from their files."""

from __future__ import annotations

import queue
import shutil
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import reactor as _reactor
from twisted.internet.threads import blockingCallFromThread

from sbc_sim.journal.entries import Entry
from sbc_sim.net import certificates
from sbc_sim.net.certificates import Flaw
from sbc_sim.net.listeners import Listeners, Rotation
from sbc_sim.net.pem_files import CertificateError
from sbc_sim.net.shown_certificates import Files, How, ShownCertificates
from sbc_sim.net.sip_connection import ConnectionLimits
from sbc_sim.net.tls_contexts import ServerTls

reactor: Any = _reactor
NAMES = ("sbc.example", "localhost")


class Company:
    """A CA that is not the simulator's, and where it puts the certificate in use."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        certificates.ensure(folder, NAMES)
        self.folder = folder
        self.files = Files(folder / "in-use.pem", folder / "in-use-key.pem")
        self.renew("first")

    def renew(self, stem: str) -> None:
        issued = certificates.issue(self.folder, NAMES, stem)
        for made, used in zip(issued, (self.files.certificate, self.files.key), strict=True):
            shutil.copy(made, used)


@pytest.fixture
def company(tmp_path: Path) -> Company:
    return Company(tmp_path / "company")


def shown_by(company: Company, tmp_path: Path, **options: Any) -> ShownCertificates:
    files = {"": company.files}
    hosts = {"fra.sbc.example": "frankfurt"}
    return ShownCertificates(company.files.load(), NAMES, hosts=hosts, directory=tmp_path / "tls", issues=False, files=files, **options)


def test_a_new_leaf_is_the_renewed_file_of_the_same_ca(company: Company, tmp_path: Path) -> None:
    shown = shown_by(company, tmp_path)
    before = shown.common.leaf
    company.renew("second")
    shown.show(shown.prepare(How.NEW_LEAF))
    assert shown.common.leaf != before
    assert shown.common.leaf == company.files.load().leaf
    assert shown.to("fra.sbc.example") == shown.common
    assert shown.change_of("").how is How.NEW_LEAF


def test_a_new_leaf_without_a_renewed_file_is_refused_with_what_to_do_and_nothing_changes(company: Company, tmp_path: Path) -> None:
    shown = shown_by(company, tmp_path)
    before = shown.common
    with pytest.raises(CertificateError, match=r"in-use\.pem.*put the renewed certificate and key there first, or rotate to new-ca"):
        shown.prepare(How.NEW_LEAF)
    assert (shown.common, shown.changes) == (before, [])


def test_a_region_without_files_of_its_own_is_rotated_with_all_or_not_at_all(company: Company, tmp_path: Path) -> None:
    shown = shown_by(company, tmp_path)
    company.renew("second")
    with pytest.raises(CertificateError, match=r"frankfurt shows the certificate of tls\.cert_file: rotate without a region"):
        shown.prepare(How.NEW_LEAF, "frankfurt")


def test_everywhere_issues_where_it_can_and_reads_again_where_files_are(company: Company, tmp_path: Path) -> None:
    made = certificates.load(certificates.ensure(tmp_path / "tls", NAMES))
    hosts = {"fra.sbc.example": "frankfurt", "lon.sbc.example": "london"}
    shown = ShownCertificates(made, NAMES, hosts=hosts, directory=tmp_path / "tls", files={"frankfurt": company.files})
    company.renew("second")
    shown.show(shown.prepare(How.NEW_LEAF))
    assert shown.of("frankfurt").leaf == company.files.load().leaf
    assert shown.common.leaf != made.leaf
    ca = certificates.local_ca(tmp_path / "tls").leaf
    assert certificates._signed_by(shown.common.leaf, ca)
    assert certificates._signed_by(shown.of("london").leaf, ca)


# --- test number 1020 ---------------------------------------------------------------------------------------------------


class Rotated:
    """A rotation whose entries are waited for."""

    def __init__(self, shown: ShownCertificates) -> None:
        owner: Any = object()
        self.told: queue.Queue[Entry] = queue.Queue()
        listeners = Listeners(reactor, owner, shown, ServerTls(), ConnectionLimits(), {})
        self.rotation = Rotation(shown, listeners, {"frankfurt": "fra.sbc.example"}, reactor, lambda: 1_700_000_000.0)
        self.rotation.on_entry = self.told.put

    def called(self) -> str:
        """What the journal says after a call to 1020."""
        blockingCallFromThread(reactor, self.rotation.renew)
        text: str = self.told.get(timeout=60).data["text"]
        return text


def test_a_call_to_1020_costs_no_partner_its_trust_in_a_certificate_of_ones_own(
    reactor_thread: None, company: Company, tmp_path: Path
) -> None:
    shown = shown_by(company, tmp_path)
    before = shown.common
    assert "renewed no certificate: only the CA that issued" in Rotated(shown).called()
    assert shown.common == before


@pytest.mark.parametrize("rehearsed", [How.EXPIRED, How.NEW_CA])
def test_a_call_to_1020_does_not_end_what_is_rehearsed(reactor_thread: None, tmp_path: Path, rehearsed: How) -> None:
    folder = tmp_path / "tls"
    shown = ShownCertificates(certificates.load(certificates.ensure(folder, NAMES)), NAMES, hosts={}, directory=folder)
    shown.show(shown.prepare(rehearsed))
    assert f"renewed no certificate: {rehearsed.value} is shown on purpose" in Rotated(shown).called()
    assert shown.change_of("").how is rehearsed


def test_a_call_to_1020_renews_under_the_ca_that_partners_trust(reactor_thread: None, tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    shown = ShownCertificates(certificates.load(certificates.ensure(folder, NAMES)), NAMES, hosts={}, directory=folder)
    rotated = Rotated(shown)
    first = shown.common.leaf
    for _ in range(2):
        assert "Certificate rotated (new-leaf) everywhere" in rotated.called()
        assert shown.common.leaf != first
        assert certificates._signed_by(shown.common.leaf, certificates.local_ca(folder).leaf)


def test_a_flaw_of_the_settings_counts_as_shown_on_purpose(tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    made = certificates.load(certificates.ensure(folder, NAMES))
    assert ShownCertificates(made, NAMES, hosts={}, directory=folder, flaw=Flaw.EXPIRED).on_purpose == "expired"
    assert ShownCertificates(made, NAMES, hosts={}, directory=folder).on_purpose is None
