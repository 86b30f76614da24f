"""What is kept of the wire, for how long, and what a capture says about what is missing."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import globalLogPublisher

from sbc_sim.exports.capture import Capture
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.memory import MemoryStore
from sbc_sim.net import recordings as module
from sbc_sim.net.key_log import KeyLogFile, KeyLogFiles, key_log_files
from sbc_sim.net.recordings import RecordingLimits, Recordings
from sbc_sim.rtp.leg import LegDescription, MediaAddress, SrtpKey
from sbc_sim.rtp.recording import Recording, octets_for

START = 1_700_000_000.0
FAR = ("192.0.2.10", 40000)
HELLO = b"\x16\x03\x01 hello"


class Bench:
    """Recordings fed as the service does: by the tap, by TLS, by the media plane and by the journal."""

    def __init__(self, enabled: bool = True, key_log: KeyLogFiles | None = None, **limits: float) -> None:
        self.now = START
        self.recordings = Recordings(RecordingLimits(**limits), lambda: self.now, enabled, key_log)  # type: ignore[arg-type]
        self.store = MemoryStore()
        self.store.subscribe(self.recordings.observe)

    def note(self, kind: Kind, call: str | None = None, data: Mapping[str, Any] | None = None) -> None:
        self.now += 0.001
        self.store.append(Entry(self.now, kind, call, data or {}))

    def connect(self, number: int, port: int = 50000) -> None:
        self.recordings.ciphertext(number, True, HELLO)
        self.recordings.secret(number, f"CLIENT_RANDOM {number:064x} {number:096x}")
        peer = {"host": "192.0.2.1", "port": port, "localHost": "203.0.113.5", "localPort": 5061}
        self.note(Kind.CONNECTION_OPENED, None, {"connection": number, "peer": peer, "tls": None})

    def disconnect(self, number: int) -> None:
        self.recordings.ciphertext(number, True, b"")

    def call(self, call: str, connection: int = 1) -> None:
        self.note(Kind.CALL_STARTED, call, {"connection": connection, "sipCallId": call})
        self.note(Kind.MESSAGE, call, {"connection": connection, "direction": "in", "summary": "INVITE"})

    def media(self, call: str, host: str = "203.0.113.5") -> Recording | None:
        key = SrtpKey("AES_CM_128_HMAC_SHA1_80", bytes(30))
        self.note(Kind.MEDIA_AGREED, call, {"local": "203.0.113.9:31000", "remote": "192.0.2.10:40000"})
        return self.recordings.new(LegDescription(call, FAR, None, key, key), MediaAddress(host, 31000, 31001))

    def end(self, call: str) -> None:
        self.note(Kind.CALL_ENDED, call, {"endedBy": "partner"})

    def capture(self, call: str) -> Capture:
        trace = self.store.trace(call)
        assert trace is not None
        return self.recordings.capture(trace)

    def live(self, call: str) -> Recording:
        self.call(call)
        recording = self.media(call)
        assert recording is not None
        return recording


ONE_SECOND = Recording(octets_for(1.0, 20)).most_octets
"""What a live call counts when a second is kept from its beginning and its end."""


def test_a_capture_holds_the_connection_of_its_call_with_addresses_and_secrets_and_its_packets() -> None:
    bench = Bench()
    bench.connect(1)
    recording = bench.live("a")
    bench.recordings.ciphertext(1, False, b"\x17 answer")
    recording.received.add(START + 1, FAR, b"up")
    recording.sent.add(START + 1, FAR, b"down")
    recording.refuse(START + 2, FAR, b"wrong", "wrong key or suite")
    capture = bench.capture("a")
    (tls,) = capture.tls
    assert [(piece.from_peer, piece.octets) for piece in tls.pieces] == [(True, HELLO), (False, b"\x17 answer")]
    assert (tls.connection, tls.peer, tls.local, tls.cut, tls.ended_at) == (1, ("192.0.2.1", 50000), ("203.0.113.5", 5061), False, None)
    assert tls.secrets == (f"CLIENT_RANDOM {1:064x} {1:096x}",)
    assert capture.media is not None
    assert (capture.media.local_host, capture.media.local_port, capture.media.local_rtcp_port) == ("203.0.113.5", 31000, 31001)
    assert [packet[2] for clip in (capture.media.received, capture.media.sent) for packet in clip.packets] == [b"up", b"down"]
    assert [refused.reason for refused in capture.media.refused] == ["wrong key or suite"]
    assert capture.notes == ()


def test_without_an_advertised_host_the_one_of_our_sdp_is_told() -> None:
    bench = Bench()
    bench.call("a")
    bench.media("a", host="")
    media = bench.capture("a").media
    assert media is not None
    assert media.local_host == "203.0.113.9"


def test_a_later_connection_of_a_call_is_in_its_capture_too_and_those_of_others_are_not() -> None:
    bench = Bench()
    for number in (1, 2, -1):
        bench.connect(number)
    bench.call("a", 1)
    bench.note(Kind.MESSAGE, "a", {"connection": -1, "direction": "out", "summary": "BYE"})
    bench.call("b", 2)
    assert [tls.connection for tls in bench.capture("a").tls] == [1, -1]
    assert [tls.connection for tls in bench.capture("b").tls] == [2]


def test_of_a_connection_only_the_beginning_is_kept_and_the_capture_says_so() -> None:
    bench = Bench(connection_octets=4096)
    bench.connect(1)
    bench.call("a")
    for _ in range(100):
        bench.recordings.ciphertext(1, True, bytes(100))
    bench.recordings.ciphertext(1, False, b"x")  # small enough for what is left, but the stream would have a hole
    capture = bench.capture("a")
    assert capture.tls[0].cut
    assert sum(len(piece.octets) for piece in capture.tls[0].pieces) <= 4096
    assert capture.tls[0].pieces[-1].octets != b"x"
    assert any("capture.connection_bytes" in note for note in capture.notes)


def test_an_attempt_that_never_became_a_connection_leaves_nothing_behind() -> None:
    bench = Bench()
    bench.recordings.ciphertext(7, True, HELLO)
    bench.disconnect(7)
    assert bench.recordings.size.octets == 0
    assert not bench.recordings._wires


def test_what_ended_first_makes_room_first_and_its_capture_says_why_it_is_empty() -> None:
    bench = Bench(octets=4 * ONE_SECOND, media_seconds=1.0)
    for call in "abcdefgh":
        recording = bench.live(call)
        for number in range(400):
            recording.received.add(START, FAR, bytes(172))
            recording.sent.add(START + number, FAR, bytes(172))
        bench.end(call)
    for call in "xyz":
        bench.live(call)
    assert bench.capture("a").media is None
    assert "had to make room" in bench.capture("a").notes[-1]
    gone = [call for call in "abcdefgh" if bench.capture(call).media is None]
    assert gone == list("abcdefgh"[: len(gone)])
    assert 0 < len(gone) < 8, "no more than needed"
    assert all(bench.capture(call).media is not None for call in "xyz")
    assert bench.recordings.size.evicted == len(gone)
    assert bench.recordings.size.octets <= 4 * ONE_SECOND


def test_live_calls_are_never_taken_away_and_a_new_one_gets_none_and_says_so() -> None:
    bench = Bench(octets=4 * ONE_SECOND, media_seconds=1.0)
    live = [bench.live(call) for call in "abc"]
    bench.connect(1)
    bench.call("d")
    assert bench.media("d") is None
    assert bench.recordings.size.omitted == 1
    assert any("capture.max_bytes" in note for note in bench.capture("d").notes)
    live[0].received.add(START, FAR, b"still there")
    assert bench.capture("a").media is not None
    assert bench.capture("d").tls, "a quarter is left for the beginnings of connections"
    bench.end("a")
    assert bench.live("e")


def test_an_ended_call_counts_what_it_holds_and_no_longer_what_it_could_have_held() -> None:
    bench = Bench(media_seconds=1.0)
    bench.live("a").received.add(START, FAR, bytes(172))
    assert bench.recordings.size.octets == ONE_SECOND
    bench.end("a")
    bench.end("a")
    assert 172 <= bench.recordings.size.octets < 1000


def test_a_closed_connection_stays_until_room_is_needed() -> None:
    bench = Bench(octets=1024 * 1024, connection_octets=300_000)
    bench.connect(1)
    bench.call("a")
    bench.recordings.ciphertext(1, True, bytes(250_000))
    bench.disconnect(1)
    assert bench.capture("a").tls[0].ended_at == bench.now
    for number in (2, 3, 4):
        bench.connect(number)
        bench.recordings.ciphertext(number, True, bytes(290_000))
    capture = bench.capture("a")
    assert capture.tls == ()
    assert "connection 1 are no longer kept" in capture.notes[0]
    assert bench.recordings.size.octets <= 1024 * 1024


def test_open_connections_that_fill_all_the_room_are_cut_and_not_taken_away() -> None:
    bench = Bench(octets=1024 * 1024, connection_octets=900_000)
    for number in (1, 2):
        bench.connect(number)
        bench.recordings.ciphertext(number, True, bytes(700_000))
    bench.call("a", 1)
    bench.call("b", 2)
    assert not bench.capture("a").tls[0].cut
    assert bench.capture("b").tls[0].cut
    assert bench.recordings.size.octets <= 1024 * 1024


def test_of_tls_secrets_only_so_many_lines_are_kept() -> None:
    bench = Bench()
    bench.connect(1)
    bench.call("a")
    for number in range(1000):
        bench.recordings.secret(1, f"CLIENT_RANDOM {number} 00")
    assert len(bench.capture("a").tls[0].secrets) == module.MOST_SECRETS


def test_a_call_from_before_the_start_is_not_given_the_connections_of_today() -> None:
    bench = Bench()
    bench.connect(1)
    old = Entry(START - 100, Kind.CALL_STARTED, "old", {"connection": 1})
    bench.store.append(old)
    assert bench.capture("old") == Capture(notes=(module.BEFORE,))


def test_captures_that_are_off_keep_nothing_and_say_so() -> None:
    bench = Bench(enabled=False)
    assert bench.recordings.taps() == {"ciphertext": None, "key_log": None}
    bench.call("a")
    assert bench.media("a") is None
    assert bench.capture("a") == Capture(notes=(module.OFF,))
    assert bench.recordings.size.omitted == 0


def test_clearing_forgets_what_is_over_and_keeps_what_is_live() -> None:
    bench = Bench(media_seconds=1.0)
    bench.connect(1)
    bench.connect(2)
    bench.live("a")
    bench.live("b")
    bench.end("a")
    bench.disconnect(2)
    bench.recordings.clear()
    assert bench.capture("a").media is None
    assert bench.capture("b").media is not None
    assert [tls.connection for tls in bench.capture("b").tls] == [1]
    bench.end("b")
    bench.disconnect(1)
    bench.recordings.clear()
    assert bench.recordings.size.octets == 0


# --- key log files -------------------------------------------------------------------------------------------------------


@pytest.fixture
def warnings() -> Any:
    seen: list[str] = []

    def observe(event: Mapping[str, Any]) -> None:
        if event["log_namespace"].startswith("sbc_sim.net.key_log"):
            seen.append(event["log_format"].format(**event))

    globalLogPublisher.addObserver(observe)
    yield seen
    globalLogPublisher.removeObserver(observe)


def test_secrets_are_appended_to_the_file_of_the_settings_and_that_of_the_environment(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("# was here before\n")
    files = key_log_files(tmp_path / "new", {"SSLKEYLOGFILE": str(tmp_path / "there")})
    bench = Bench(enabled=False, key_log=files)
    assert bench.recordings.taps()["key_log"] is not None
    bench.recordings.secret(1, "CLIENT_RANDOM 01 02")
    assert (tmp_path / "new").read_text() == "CLIENT_RANDOM 01 02\n"
    assert (tmp_path / "there").read_text() == "# was here before\nCLIENT_RANDOM 01 02\n"
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600


def test_the_files_are_closed_with_the_recordings(tmp_path: Path) -> None:
    files = key_log_files(tmp_path / "one", {"SSLKEYLOGFILE": str(tmp_path / "two")})
    bench = Bench(key_log=files)
    bench.recordings.secret(1, "CLIENT_RANDOM 01 02")
    assert held_in(tmp_path) == 2
    bench.recordings.close()
    assert held_in(tmp_path) == 0
    Bench().recordings.close()


def held_in(folder: Path) -> int:
    """Count the open files of this process in a folder."""
    names = (Path("/proc/self/fd") / number for number in os.listdir("/proc/self/fd"))
    return sum(os.path.realpath(name).startswith(f"{folder}/") for name in names)


def test_one_file_named_twice_gets_each_line_once(tmp_path: Path) -> None:
    files = key_log_files(tmp_path / "keys", {"SSLKEYLOGFILE": str(tmp_path / "keys")})
    assert files is not None
    files.append("CLIENT_RANDOM 01 02")
    assert (tmp_path / "keys").read_text() == "CLIENT_RANDOM 01 02\n"


def test_without_settings_and_environment_there_is_no_file() -> None:
    assert key_log_files(None, {"SSLKEYLOGFILE": " "}) is None
    assert key_log_files(None, {}) is None


@pytest.mark.parametrize("kind", ["no folder", "a folder", "a pipe that nobody reads"])
def test_a_file_that_cannot_be_written_is_told_once_and_stops_nothing(kind: str, tmp_path: Path, warnings: list[str]) -> None:
    path = tmp_path / "keys"
    if kind == "no folder":
        path = tmp_path / "missing" / "keys"
    elif kind == "a folder":
        path.mkdir()
    else:
        os.mkfifo(path)
    file = KeyLogFile(path)
    file.append("CLIENT_RANDOM 01 02")
    file.append("CLIENT_RANDOM 01 02")
    assert len(warnings) == 1
    assert str(path) in warnings[0]


def test_a_file_that_becomes_writable_gets_the_lines_from_then_on(tmp_path: Path, warnings: list[str]) -> None:
    file = KeyLogFile(tmp_path / "later" / "keys")
    file.append("lost")
    (tmp_path / "later").mkdir()
    file.append("kept")
    file.close()
    assert (tmp_path / "later" / "keys").read_text() == "kept\n"
    assert len(warnings) == 1
