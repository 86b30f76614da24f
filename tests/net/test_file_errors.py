"""Files that belong to somebody else: who may not read them, and how to let them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sbc_sim.net.pem_files import CertificateError, read_key
from sbc_sim.settings import SettingsError, load

NOBODY = 10001


@contextmanager
def not_root() -> Iterator[None]:
    """Root may read everything."""
    if os.geteuid():
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def locked(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.write_text("x")
    file.chmod(0)
    return file


def cure(file: Path) -> str:
    user = os.geteuid() or NOBODY
    return (
        f"Permission denied for user {user} of group {os.getegid()}; let one of them read it "
        f"(`chgrp {os.getegid()} {file} && chmod 640 {file}`), and enter its folder"
    )


def test_a_key_of_somebody_else_is_told_with_who_cannot_read_it_and_how_to_let_them(locked: Path) -> None:
    with not_root(), pytest.raises(CertificateError) as caught:
        read_key(locked)
    assert str(caught.value) == f"{locked} cannot be read: {cure(locked)}"


def test_so_are_the_settings_and_a_secret_in_a_file(locked: Path) -> None:
    none = Path("/no/such/file")
    with not_root(), pytest.raises(SettingsError) as settings:
        load({}, {}, locked, none)
    with not_root(), pytest.raises(SettingsError) as secret:
        load({}, {"SBC_SIM_HTTP__TOKEN_FILE": str(locked)}, None, none)
    assert str(settings.value) == f"the settings file {locked} cannot be read: {cure(locked)}"
    assert str(secret.value) == f"SBC_SIM_HTTP__TOKEN_FILE names {locked}, which cannot be read: {cure(locked)}"


def test_a_file_that_is_not_there_is_just_that(tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match=r"nothing\.pem cannot be read: No such file or directory$"):
        read_key(tmp_path / "nothing.pem")
