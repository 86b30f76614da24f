"""Builds the Telephony Integration API of one process from its settings: options, and the keys of the partners."""

from __future__ import annotations

from typing import Any

from sbc_sim.settings import Settings, SettingsError
from sbc_sim.telephony.keys import BadKey, KeyEntry, KeyRing, PublicKey, read_keys
from sbc_sim.telephony.model import Telephony
from sbc_sim.telephony.options import TelephonyOptions


def telephony_of(settings: Settings) -> Telephony | None:
    """Build it; None when it is switched off. Raises SettingsError for a key file that cannot be used."""
    if not settings.telephony.enabled:
        return None
    values: dict[str, Any] = {name: getattr(settings.telephony, name) for name in TelephonyOptions.__dataclass_fields__}
    return Telephony(TelephonyOptions(**values), KeyRing(_entries(settings)))


def _entries(settings: Settings) -> list[KeyEntry]:
    """Read the keys of every partner that has some; nobody else pays for the import."""
    entries: list[KeyEntry] = []
    for name, partner in settings.partners.items():
        keys: list[PublicKey] = []
        for file in partner.public_keys:
            try:
                keys += read_keys(file.read_bytes())
            except OSError as error:
                raise SettingsError(f"partners.{name}.public_keys: {file} cannot be read: {error.strerror}") from None
            except BadKey as error:
                raise SettingsError(f"partners.{name}.public_keys: {file}: {error}") from None
        if keys:
            entries.append(KeyEntry(name, tuple(keys), partner.org_id, partner.call_center, name))
    return entries
