from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace

import pytest

from sbc_sim.exports.bundle import ABOUT, bundle_zip
from sbc_sim.exports.capture import NOTHING, Capture
from sbc_sim.exports.redacted import Redaction
from sbc_sim.journal.store import Trace
from tests.support.documents import a_call_of, a_call_with_findings, a_tone
from tests.support.sip import KEY

SHARE, STRICT, NONE = Redaction.SHARE, Redaction.STRICT, Redaction.NONE


def unpacked(octets: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(octets)) as zipped:
        assert zipped.testzip() is None
        return {name.partition("/")[2]: zipped.read(name) for name in zipped.namelist()}


def test_everything_is_in_it_and_told_of_in_the_readme() -> None:
    files = unpacked(bundle_zip(a_call_with_findings(), a_tone(), SHARE))
    assert set(files) == {*ABOUT, "README.txt"}
    readme = files["README.txt"].decode()
    for name in ABOUT:
        assert f"  {name} " in readme
        assert f"({len(files[name])} octets)" in readme
    assert "Redaction level: share" in readme
    assert "hidden: the middle digits of phone numbers" in readme
    assert "Mend first SBC-SIP-024" in readme
    assert json.loads(files["report.json"])["redaction"]["level"] == "share"
    assert files["capture.pcapng"].startswith(b"\x0a\x0d\x0d\x0a")
    assert files["audio.wav"].startswith(b"RIFF")


def test_the_same_call_gives_the_same_octets() -> None:
    trace = a_call_with_findings()
    assert bundle_zip(trace, a_tone(), SHARE) == bundle_zip(trace, a_tone(), SHARE)


def test_times_in_it_are_those_of_the_call() -> None:
    with zipfile.ZipFile(io.BytesIO(bundle_zip(a_call_with_findings(), NOTHING, SHARE))) as zipped:
        assert {entry.date_time for entry in zipped.infolist()} == {(2023, 11, 14, 22, 13, 22)}  # zip counts every other second


@pytest.mark.parametrize("level", [SHARE, STRICT])
def test_no_secret_and_no_number_is_in_any_file(level: Redaction) -> None:
    for name, octets in unpacked(bundle_zip(a_call_with_findings(), a_tone(), level)).items():
        assert KEY.encode() not in octets, name
        assert b"15550111" not in octets, name
        assert (b"192.0.2.1" in octets) <= (level is SHARE), name


def test_strangers_get_no_audio() -> None:
    files = unpacked(bundle_zip(a_call_with_findings(), a_tone(), STRICT))
    assert "audio.wav" not in files
    assert "hidden: the audio" in files["README.txt"].decode()


def test_with_nothing_hidden_the_readme_warns() -> None:
    files = unpacked(bundle_zip(a_call_with_findings(), None, NONE))
    assert KEY.encode() in files["messages.txt"]
    assert "this file holds keys and tokens" in files["README.txt"].decode()


def test_what_was_not_captured_is_told() -> None:
    files = unpacked(bundle_zip(a_call_with_findings(), Capture(notes=("switched off by capture.enabled",)), SHARE))
    assert "audio.wav" not in files
    assert "note: switched off by capture.enabled" in files["README.txt"].decode()


@pytest.mark.parametrize("call_id", ["../../etc/passwd", "/abs", "a\\b\x00c", "..", "", "con\n", "x" * 500])
def test_no_name_in_it_leads_anywhere_else(call_id: str) -> None:
    trace: Trace = a_call_of(b"INVITE sip:a@b SIP/2.0\r\n\r\n")
    trace = replace(trace, call=replace(trace.call, id=call_id))
    with zipfile.ZipFile(io.BytesIO(bundle_zip(trace, None, SHARE))) as zipped:
        for name in zipped.namelist():
            folder, _, file = name.partition("/")
            assert folder.startswith("sbc-sim-")
            assert "/" not in file
            assert "\\" not in name
            assert ".." not in folder.removeprefix("sbc-sim-").split("/")
            assert len(name) < 120
