"""The certificates of a local run: made once, kept, renewed in time, and refused with a sentence when they are no good."""

from __future__ import annotations

import datetime as dt
import hashlib
import multiprocessing
import os
import re
import ssl
import stat

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

from sbc_sim.net import certificates, pem_files
from sbc_sim.net.certificates import Flaw, ensure, issue, issue_flawed, load, load_own, show
from sbc_sim.net.pem_files import CertificateError
from sbc_sim.net.tls_contexts import ServerConnections, ServerTls

NOW = dt.datetime.now(dt.UTC)


@pytest.fixture
def made(certificate_dir, tmp_path):
    """A directory of its own with certificates that were made before."""
    for path in certificate_dir.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
        (tmp_path / path.name).chmod(path.stat().st_mode)
    return tmp_path


def contents(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def days(number):
    return NOW + dt.timedelta(days=number)


def refused(*arguments, match, function=ensure, **keywords):
    with pytest.raises(CertificateError, match=match) as caught:
        function(*arguments, **keywords)
    assert "\n" not in str(caught.value)


def test_the_first_start_makes_a_ca_and_a_server_certificate(tmp_path):
    files = ensure(tmp_path / "deep" / "certs", ["sbc.example.net", "192.0.2.10"])
    assert sorted(path.name for path in files.ca.parent.iterdir()) == ["ca-key.pem", "ca.pem", "server-key.pem", "server.pem"]
    ca, server = show(files.ca), show(files.server)
    assert ca.is_ca
    assert not server.is_ca
    assert server.issuer == ca.subject == ca.issuer
    assert set(server.names) == {"localhost", "127.0.0.1", "::1", "sbc.example.net", "192.0.2.10"}
    assert "CN=sbc.example.net" in server.subject
    assert (ca.key, server.key) == ("RSA 2048", "RSA 2048")
    assert ca.not_after - NOW > dt.timedelta(days=3640)
    assert server.not_after - server.not_before <= dt.timedelta(days=825)
    assert server.not_before < NOW


def test_private_keys_are_for_their_owner_alone(certificate_dir):
    for path in certificate_dir.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == (0o600 if "key" in path.name else 0o644)


def test_the_server_file_holds_the_leaf_and_then_its_issuer(certificate_dir):
    leaf, issuer = x509.load_pem_x509_certificates((certificate_dir / "server.pem").read_bytes())
    leaf.verify_directly_issued_by(issuer)
    assert issuer.public_bytes(serialization.Encoding.DER) == ssl.PEM_cert_to_DER_cert((certificate_dir / "ca.pem").read_text())


def test_later_starts_keep_everything(made):
    before = contents(made)
    ensure(made)
    ensure(made, ["SBC.example.net", "127.0.0.1", "localhost"], now=days(700))
    assert contents(made) == before


def test_a_directory_that_may_only_be_read_is_fine_as_long_as_nothing_is_to_do(made, monkeypatch):
    def forbidden(*arguments, **keywords):
        raise AssertionError("nothing may be written")

    monkeypatch.setattr(pem_files, "write_whole", forbidden)
    monkeypatch.setattr(pem_files, "locked", forbidden)
    assert ensure(made).server == made / "server.pem"


@pytest.mark.parametrize(
    "change", ["a new name", "about to expire", "clock was wrong", "leaf gone", "key gone", "key of another", "leaf of another CA"]
)
def test_the_leaf_is_made_anew_under_the_same_ca(made, change, tmp_path_factory):
    names, now = [], NOW
    match change:
        case "a new name":
            names = ["new.example.net"]
        case "about to expire":
            now = days(800)
        case "clock was wrong":
            now = days(-400)
        case "leaf gone":
            (made / "server.pem").unlink()
        case "key gone":
            (made / "server-key.pem").unlink()
        case "key of another":
            (made / "server-key.pem").write_bytes((made / "ca-key.pem").read_bytes())
        case "leaf of another CA":
            (made / "server.pem").write_bytes(ensure(tmp_path_factory.mktemp("other")).server.read_bytes())
    before = contents(made)
    files = ensure(made, names, now=now)
    after = contents(made)
    assert after["ca.pem"] == before["ca.pem"]
    assert after["server.pem"] != before.get("server.pem")
    assert set(names) <= set(show(files.server).names)
    load_own(files.server, files.server_key, now=now)


def test_a_ca_of_ones_own_can_be_put_there(tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name.from_rfc4514_string("CN=House CA")
    builder = certificates._builder(name, name, key, NOW, dt.timedelta(days=90))
    ca = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(key, certificates.hashes.SHA256())
    (tmp_path / "ca.pem").write_bytes(pem_files.certificate_pem(ca))
    (tmp_path / "ca-key.pem").write_bytes(pem_files.key_pem(key))
    facts = show(ensure(tmp_path).server)
    assert facts.issuer == "CN=House CA"
    assert facts.not_after <= ca.not_valid_after_utc


def test_a_ca_key_alone_is_what_a_crash_leaves_and_does_no_harm(made):
    for name in ("ca.pem", "server.pem"):
        (made / name).unlink()
    load(ensure(made))


def _ensure_elsewhere(directory, gate):
    gate.wait(20)
    ensure(directory)


def test_two_first_starts_at_once_do_not_mix_their_files(tmp_path):
    context = multiprocessing.get_context("spawn")
    gate = context.Barrier(2)
    starts = [context.Process(target=_ensure_elsewhere, args=(tmp_path, gate)) for _ in range(2)]
    for start in starts:
        start.start()
    for start in starts:
        start.join(30)
    assert [start.exitcode for start in starts] == [0, 0]
    leaf, ca = load(ensure(tmp_path)), x509.load_pem_x509_certificate((tmp_path / "ca.pem").read_bytes())
    leaf.leaf.verify_directly_issued_by(ca)


def test_a_crash_while_writing_leaves_the_old_file(made, monkeypatch):
    before = contents(made)

    def crash(descriptor):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", crash)
    refused(made, ["new.example.net"], match="cannot be written: No space left on device")
    assert contents(made) == before


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("ca.pem", b"junk", r"ca\.pem holds no readable PEM certificate"),
        ("server.pem", b"", r"server\.pem holds no readable PEM certificate"),
        ("server.pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", r"server\.pem holds no readable PEM certificate"),
        ("server-key.pem", b"\x00\xff", r"server-key\.pem holds no readable PEM private key"),
    ],
)
def test_a_corrupt_file_is_named(made, name, text, match):
    (made / name).write_bytes(text)
    refused(made, match=match)


def test_a_ca_without_its_key_cannot_renew(made):
    (made / "ca-key.pem").unlink()
    ensure(made)
    refused(made, ["new.example.net"], match=r"its key ca-key\.pem is not: put it back")


def test_a_ca_with_the_key_of_another_is_refused(made):
    (made / "ca-key.pem").write_bytes((made / "server-key.pem").read_bytes())
    refused(made, ["new.example.net"], match=r"ca-key\.pem is not the key of .*ca\.pem")


def test_a_leaf_in_the_place_of_the_ca_is_refused(made):
    (made / "ca.pem").write_bytes((made / "server.pem").read_bytes())
    refused(made, match=r"ca\.pem is not the certificate of a CA")


def test_an_expired_ca_is_refused(made):
    refused(made, now=days(3700), match=r"the CA in .* expired on")


def test_a_file_in_the_place_of_the_directory_is_refused(tmp_path):
    (tmp_path / "certs").write_text("")
    refused(tmp_path / "certs", match="cannot be used: ")
    refused(tmp_path / "certs" / "deeper", match="cannot be used: Not a directory")


@pytest.mark.parametrize(
    "name", ["", " ", "two words", "-", "a..b", "x" * 300, "naïve.example", "sip:a@b", "192.0.2.1/24", "a" * 64 + ".example"]
)
def test_a_name_that_is_none_is_refused(tmp_path, name):
    refused(tmp_path, [name], match="neither a host name nor an address")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["sbc1", "my_host.example", "PBX.Example.NET.", "[2001:db8::1]", "*.example.net"])
def test_names_as_they_are_written_in_the_field_are_accepted(made, name):
    before = contents(made)
    ensure(made, [name])
    renewed = contents(made)
    assert renewed != before
    ensure(made, [name])
    assert contents(made) == renewed


def test_further_certificates_are_issued_under_the_ca(made):
    certificate, key = issue(made, ["partner.example", "192.0.2.7"], "partner")
    assert (certificate.name, key.name) == ("partner.pem", "partner-key.pem")
    assert show(certificate).names == ("partner.example", "192.0.2.7")
    load_own(certificate, key).leaf.verify_directly_issued_by(load_own(made / "ca.pem", made / "ca-key.pem").leaf)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


@pytest.mark.parametrize("stem", ["ca", "server", "../evil", "", ".hidden", "a/b"])
def test_a_certificate_is_not_issued_over_the_others(made, stem):
    refused(made, ["a.example"], stem, function=issue, match="cannot name a certificate file")


def test_a_certificate_for_nothing_is_not_issued(made):
    refused(made, [], "nobody", function=issue, match="at least one name")


def test_facts_show_the_fingerprint_that_openssl_shows(certificate_dir):
    der = ssl.PEM_cert_to_DER_cert((certificate_dir / "ca.pem").read_text())
    digest = hashlib.sha256(der).hexdigest().upper()
    assert show(certificate_dir / "ca.pem").fingerprint == ":".join(digest[i : i + 2] for i in range(0, 64, 2))


# --- one's own certificate -------------------------------------------------------------------------------------------------


def test_ones_own_certificate_is_loaded_with_its_chain(certificate_dir):
    own = load_own(certificate_dir / "server.pem", certificate_dir / "server-key.pem")
    assert len(own.chain) == 1
    assert own.warnings == ()
    assert own.not_after > NOW
    ServerConnections(own, ServerTls())


def test_the_key_of_another_certificate_is_refused(certificate_dir):
    refused(certificate_dir / "server.pem", certificate_dir / "ca-key.pem", function=load_own, match="does not belong to the certificate")


def test_a_damaged_key_is_refused(tmp_path, certificate_dir):
    sound = pem_files.read_key(certificate_dir / "server-key.pem").private_numbers()
    damaged = rsa.RSAPrivateNumbers(sound.p, sound.q, sound.d ^ 4, sound.dmp1 ^ 4, sound.dmq1 ^ 4, sound.iqmp, sound.public_numbers)
    (tmp_path / "key.pem").write_bytes(pem_files.key_pem(damaged.private_key(unsafe_skip_rsa_key_validation=True)))
    refused(certificate_dir / "server.pem", tmp_path / "key.pem", function=load_own, match="does not belong to the certificate")


@pytest.mark.parametrize(("now", "match"), [(days(830), "expired on"), (days(-10), "is not valid before")])
def test_a_certificate_outside_its_time_is_refused(certificate_dir, now, match):
    refused(certificate_dir / "server.pem", certificate_dir / "server-key.pem", now, function=load_own, match=match)


def test_files_that_are_missing_are_named(tmp_path, certificate_dir):
    refused(tmp_path / "no.pem", certificate_dir / "server-key.pem", function=load_own, match=r"no\.pem cannot be read: No such file")
    refused(certificate_dir / "server.pem", tmp_path / "no.pem", function=load_own, match=r"no\.pem cannot be read: No such file")
    refused(tmp_path, certificate_dir / "server-key.pem", function=load_own, match="cannot be read: Is a directory")


def test_a_key_with_a_passphrase_is_refused(tmp_path, certificate_dir):
    key = pem_files.read_key(certificate_dir / "server-key.pem")
    locked = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x"))
    (tmp_path / "key.pem").write_bytes(locked)
    refused(certificate_dir / "server.pem", tmp_path / "key.pem", function=load_own, match="is encrypted")


def test_a_key_of_a_kind_that_tls_does_not_know_is_refused(tmp_path, certificate_dir):
    key = dsa.generate_private_key(1024)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "key.pem").write_bytes(pem)
    refused(certificate_dir / "server.pem", tmp_path / "key.pem", function=load_own, match="of a kind that TLS cannot use")


def test_a_chain_out_of_order_is_refused(tmp_path, certificate_dir):
    other = issue_flawed(certificate_dir, Flaw.SELF_SIGNED, [])
    (tmp_path / "chain.pem").write_bytes((certificate_dir / "server.pem").read_bytes() + other.certificate_pem())
    refused(
        tmp_path / "chain.pem",
        certificate_dir / "server-key.pem",
        function=load_own,
        match="certificate 3 in .* the leaf, then each issuer",
    )


@pytest.mark.parametrize(
    ("flaw", "warning"),
    [
        (Flaw.MISSING_INTERMEDIATE, "CN=sbc-sim intermediate CA.*its certificate must follow"),
        (Flaw.SELF_SIGNED, "self-signed"),
    ],
)
def test_what_peers_may_stumble_over_is_warned_of(tmp_path, certificate_dir, flaw, warning):
    own = issue_flawed(certificate_dir, flaw, [])
    (tmp_path / "own.pem").write_bytes(own.certificate_pem())
    (tmp_path / "key.pem").write_bytes(own.key_pem())
    warnings = load_own(tmp_path / "own.pem", tmp_path / "key.pem").warnings
    assert len(warnings) == 1
    assert re.search(warning, warnings[0])


def test_a_certificate_without_names_is_warned_of(tmp_path, certificate_dir):
    key = pem_files.read_key(certificate_dir / "server-key.pem")
    name = x509.Name.from_rfc4514_string("CN=sbc.example.net")
    leaf = certificates._builder(name, name, key, NOW, dt.timedelta(days=9)).sign(key, certificates.hashes.SHA256())
    (tmp_path / "own.pem").write_bytes(pem_files.certificate_pem(leaf))
    assert "no subjectAltName" in load_own(tmp_path / "own.pem", certificate_dir / "server-key.pem").warnings[0]


def test_a_key_too_weak_for_openssl_is_refused_in_one_sentence(tmp_path, certificate_dir):
    key = rsa.generate_private_key(65537, 1024)
    name = x509.Name.from_rfc4514_string("CN=weak.example")
    leaf = certificates._builder(name, name, key, NOW, dt.timedelta(days=9)).sign(key, certificates.hashes.SHA256())
    refused(
        certificates.Credentials(leaf, (), key), ServerTls(), function=ServerConnections, match="OpenSSL does not take .*ee key too small"
    )


# --- flaws on purpose --------------------------------------------------------------------------------------------------------


def test_each_flaw_is_just_that_flaw(made):
    before = contents(made)
    flawed = {flaw: issue_flawed(made, flaw, ["sbc.example.net"]) for flaw in Flaw}
    assert contents(made) == before
    assert flawed[Flaw.EXPIRED].not_after < NOW
    assert flawed[Flaw.EXPIRED].leaf.not_valid_before_utc < flawed[Flaw.EXPIRED].not_after
    assert all(credentials.not_after > NOW for flaw, credentials in flawed.items() if flaw is not Flaw.EXPIRED)
    assert certificates.names_of(flawed[Flaw.WRONG_NAME].leaf) == ("wrong-name.invalid",)
    assert all("sbc.example.net" in certificates.names_of(flawed[flaw].leaf) for flaw in Flaw if flaw is not Flaw.WRONG_NAME)
    assert flawed[Flaw.SELF_SIGNED].leaf.issuer == flawed[Flaw.SELF_SIGNED].leaf.subject
    assert flawed[Flaw.MISSING_INTERMEDIATE].chain == ()
