"""The files that settings of partners and regions name: keys for tokens, CA bundles, certificates. Who names none pays for no import."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from sbc_sim.settings import Loaded, Settings, SettingsError, place_of

if TYPE_CHECKING:
    from sbc_sim.telephony.keys import KeyEntry, PublicKey


def check_files(loaded: Loaded) -> None:
    """Read every file that settings of partners and regions name. Raises SettingsError, with setting and line, for what cannot be used."""
    for key, reason in _unusable(loaded.settings):
        raise SettingsError(f"{place_of(key, loaded.origins)}: {reason}")


def key_entries(settings: Settings) -> list[KeyEntry]:
    """Read the keys of every partner that has some. Raises SettingsError for a file that cannot be used."""
    from sbc_sim.telephony.keys import KeyEntry

    entries: list[KeyEntry] = []
    for name, partner in settings.partners.items():
        keys: list[PublicKey] = []
        for file in partner.public_keys:
            read = _keys_of(file)
            if isinstance(read, str):
                raise SettingsError(f"partners.{name}.public_keys: {read}")
            keys += read
        if keys:
            entries.append(KeyEntry(name, tuple(keys), partner.org_id, partner.call_center, name))
    return entries


def _unusable(settings: Settings) -> Iterator[tuple[str, str]]:
    """Settings whose files cannot be used, and why: a sentence."""
    for name, partner in settings.partners.items():
        for file in partner.public_keys:
            read = _keys_of(file)
            if isinstance(read, str):
                yield f"partners.{name}.public_keys", read
        if partner.ca_file is not None and (reason := _no_bundle(partner.ca_file)):
            yield f"partners.{name}.ca_file", reason
    for name, region in settings.regions.items():
        if region.cert_file is not None and region.key_file is not None and (reason := _no_pair(region.cert_file, region.key_file)):
            yield f"regions.{name}.cert_file", reason


def _keys_of(file: Path) -> tuple[PublicKey, ...] | str:
    from sbc_sim.telephony.keys import LONGEST_PEM, BadKey, read_keys

    try:
        with file.open("rb") as opened:
            return read_keys(opened.read(LONGEST_PEM + 1))
    except OSError as error:
        return f"{file} cannot be read: {error.strerror}"
    except BadKey as error:
        return f"{file}: {error}"


def _no_bundle(file: Path) -> str:
    from sbc_sim.net.pem_files import CertificateError, read_certificates

    try:
        read_certificates(file)
    except CertificateError as error:
        return str(error)
    return ""


def _no_pair(cert_file: Path, key_file: Path) -> str:
    from sbc_sim.net.certificates import load_own
    from sbc_sim.net.pem_files import CertificateError

    try:
        load_own(cert_file, key_file)
    except CertificateError as error:
        return str(error)
    return ""
