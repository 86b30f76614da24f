"""Files about a call, over HTTP: the right type, a safe name, the level of redaction, and refusals that say what to do."""

from __future__ import annotations

import io
import socket
import threading
import time
import wave
import zipfile
from importlib import import_module
from xml.etree import ElementTree

import httpx
import pytest

from sbc_sim.exports.capture import Capture
from sbc_sim.http.work import AT_ONCE, MOST_WAITING
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.store import Trace
from tests.http.conftest import START, Lab, message, started
from tests.http.stored import a_capture, keep_a_call
from tests.support.sip import KEY, an_invite

FILES = [
    ("ladder.svg", "image/svg+xml", None),
    ("ladder.mmd", "text/vnd.mermaid; charset=utf-8", None),
    ("capture.pcapng", "application/vnd.tcpdump.pcap", "attachment"),
    ("audio.wav", "audio/wav", "attachment"),
    ("report.html", "text/html; charset=utf-8", "inline"),
    ("report.json", "application/json", "inline"),
    ("report.xml", "application/xml", "attachment"),
    ("bundle.zip", "application/zip", "attachment"),
]
LEVELS = ("none", "share", "strict")


@pytest.mark.parametrize(("name", "media_type", "how"), FILES)
def test_every_file_comes_with_its_type_and_a_name_made_of_the_id_alone(lab: Lab, name: str, media_type: str, how: str | None) -> None:
    call = keep_a_call(lab)
    response = lab.client.get(f"/api/v1/calls/{call}/{name}")
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == media_type
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers.get("content-disposition") == (how and f'{how}; filename="sbc-sim-{call}.{name.rpartition(".")[2]}"')
    assert int(lab.client.head(f"/api/v1/calls/{call}/{name}").headers["content-length"]) > 0


@pytest.mark.parametrize("name", [name for name, _, _ in FILES] + ["media/series", "reference"])
def test_a_file_of_an_unknown_call_is_a_404_that_says_where_to_look(lab: Lab, name: str) -> None:
    response = lab.client.get(f"/api/v1/calls/nobody/{name}")
    assert (response.status_code, response.json()["code"]) == (404, "no-such-call")
    assert "/api/v1/calls" in response.json()["fix"]


@pytest.mark.parametrize("name", [name for name, _, _ in FILES if not name.startswith("ladder")])
@pytest.mark.parametrize("level", ["", "all", "NONE", "share,strict", "none%00"])
def test_a_level_of_redaction_that_there_is_not_is_refused(lab: Lab, name: str, level: str) -> None:
    call = keep_a_call(lab)
    response = lab.client.get(f"/api/v1/calls/{call}/{name}?redaction={level}")
    assert (response.status_code, response.json()["code"]) == (400, "bad-redaction")
    assert "none, share, strict" in response.json()["fix"]


HOSTILE = ["..%2F..%2Fetc%2Fpasswd", "a%22%0d%0aSet-Cookie:%20x=1", "%00", "c1%2Fladder.txt", "é", "%F0%9F%98%80", "x" * 3000]


@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_id_finds_nothing_and_breaks_nothing(lab: Lab, hostile: str) -> None:
    for name in ("", "/capture.pcapng", "/bundle.zip", "/reference"):
        response = lab.client.get(f"/api/v1/calls/{hostile}{name}")
        assert response.status_code in (400, 404)
        assert "set-cookie" not in response.headers


def test_a_file_name_holds_nothing_that_a_header_or_a_disk_could_misread(lab: Lab) -> None:
    name = 'a"b\\c/../d\r\nX: y é'
    keep_a_call(lab, name=name)
    from urllib.parse import quote

    response = lab.client.get(f"/api/v1/calls/{quote(name, safe='')}/report.xml")
    assert response.status_code == 200
    assert response.headers["content-disposition"] == 'attachment; filename="sbc-sim-a_b_c_.._d__X__y__.xml"'


def test_the_ladder_is_drawn_with_its_style_inside_or_for_a_page_that_brings_one(lab: Lab) -> None:
    call = keep_a_call(lab)
    whole, embedded = (lab.client.get(f"/api/v1/calls/{call}/ladder.svg{query}") for query in ("", "?embedded=true"))
    assert "<style>" in whole.text
    assert "<style" not in embedded.text
    assert 'data-message="0"' in embedded.text
    for drawing in (whole, embedded):
        assert ElementTree.fromstring(drawing.content).tag.endswith("svg")
    response = lab.client.get(f"/api/v1/calls/{call}/ladder.svg?embedded=maybe")
    assert (response.status_code, response.json()["code"]) == (400, "bad-flag")


def test_a_drawing_or_report_opened_by_itself_can_run_and_fetch_nothing(lab: Lab) -> None:
    call = keep_a_call(lab)
    for name in ("ladder.svg", "report.html"):
        policy = lab.client.get(f"/api/v1/calls/{call}/{name}").headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "sandbox" in policy
        assert "script-src" not in policy


def test_secrets_are_in_the_capture_alone_unless_asked_for(lab: Lab) -> None:
    call = keep_a_call(lab)
    for name, _, _ in FILES:
        shown = KEY.encode() in _unpacked(lab.client.get(f"/api/v1/calls/{call}/{name}").content)
        assert shown == (name == "capture.pcapng"), name
    for level in ("share", "strict"):
        assert KEY.encode() not in lab.client.get(f"/api/v1/calls/{call}/capture.pcapng?redaction={level}").content
    assert KEY.encode() in _unpacked(lab.client.get(f"/api/v1/calls/{call}/bundle.zip?redaction=none").content)


def _unpacked(octets: bytes) -> bytes:
    if octets[:2] != b"PK":
        return octets
    with zipfile.ZipFile(io.BytesIO(octets)) as zipped:
        assert zipped.testzip() is None
        return b"".join(zipped.read(name) for name in zipped.namelist())


def test_the_audio_is_a_stereo_file_and_a_player_may_ask_for_a_part(lab: Lab) -> None:
    call = keep_a_call(lab)
    path = f"/api/v1/calls/{call}/audio.wav"
    whole = lab.client.get(path)
    with wave.open(io.BytesIO(whole.content)) as audio:
        assert (audio.getnchannels(), audio.getframerate(), audio.getsampwidth()) == (2, 8000, 2)
    assert whole.headers["accept-ranges"] == "bytes"
    size = len(whole.content)
    wishes = {"bytes=0-99": (0, 99), "bytes=100-": (100, size - 1), "bytes=-10": (size - 10, size - 1), f"bytes=5-{size}": (5, size - 1)}
    for wanted, (first, last) in wishes.items():
        part = lab.client.get(path, headers={"Range": wanted})
        assert (part.status_code, part.content) == (206, whole.content[first : last + 1])
        assert part.headers["content-range"] == f"bytes {first}-{last}/{size}"
    for ignored in ("bytes=0-1,5-6", "bytes=-", "bytes=5-3", "lines=1-2", "bytes=x", "bytes=" + "9" * 40 + "-"):
        assert lab.client.get(path, headers={"Range": ignored}).content == whole.content
    for outside in (f"bytes={size}-", "bytes=-0"):
        response = lab.client.get(path, headers={"Range": outside})
        assert (response.status_code, response.json()["code"]) == (416, "bad-range")
        assert response.headers["content-range"] == f"bytes */{size}"


def test_audio_that_is_not_there_is_a_404_with_the_reason(lab: Lab) -> None:
    call = keep_a_call(lab, captured=False)
    response = lab.client.get(f"/api/v1/calls/{call}/audio.wav")
    assert (response.status_code, response.json()["code"]) == (404, "no-audio")
    assert response.json()["detail"].startswith("No audio was captured: ")
    lab.captures[call] = Capture(notes=("captures are off (capture.enabled)",))
    assert "captures are off (capture.enabled)" in lab.client.get(f"/api/v1/calls/{call}/audio.wav").json()["detail"]
    lab.captures[call] = a_capture(0.0)
    response = lab.client.get(f"/api/v1/calls/{call}/audio.wav?redaction=strict")
    assert (response.status_code, response.json()["code"]) == (404, "audio-hidden")


def test_a_call_is_read_once_for_a_file(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a file it is a read of the disk, on the thread of the calls."""
    call, read = keep_a_call(lab), lab.store.trace
    asked: list[str] = []

    def counted(name: str) -> Trace | None:
        asked.append(name)
        return read(name)

    monkeypatch.setattr(lab.store, "trace", counted)
    for name in ("capture.pcapng", "audio.wav", "report.html", "report.json", "report.xml", "bundle.zip", "media/series", "reference"):
        assert lab.client.get(f"/api/v1/calls/{call}/{name}").status_code == 200
        assert asked == [call], name
        asked.clear()


def test_files_can_be_had_at_every_level(lab: Lab) -> None:
    call = keep_a_call(lab)
    for name in ("capture.pcapng", "report.json", "bundle.zip"):
        for level in LEVELS:
            response = lab.client.get(f"/api/v1/calls/{call}/{name}?redaction={level}")
            assert (response.status_code, bool(response.content)) == (200, True), (name, level)


@pytest.mark.parametrize(("captured", "hang_up"), [(True, False), (False, True), (None, None)])
def test_every_file_can_be_had_of_a_call_that_goes_on_was_not_captured_or_holds_nothing(
    lab: Lab, captured: bool | None, hang_up: bool | None
) -> None:
    if captured is None or hang_up is None:
        lab.tell(started("bare"))
        call = "bare"
    else:
        call = keep_a_call(lab, captured, hang_up)
    for name in ("media/series", "reference", "ladder.svg", "ladder.mmd", "capture.pcapng", "report.html", "report.xml", "bundle.zip"):
        assert lab.client.get(f"/api/v1/calls/{call}/{name}").status_code == 200, name


def test_the_columns_of_the_series_are_equally_long(lab: Lab) -> None:
    call = keep_a_call(lab)
    told = lab.client.get(f"/api/v1/calls/{call}/media/series").json()
    assert told["source"] == "capture"
    lengths = {name: len(told[name]) for name in ("t", "received", "sent", "lost", "jitterMs", "levelIn", "levelOut")}
    assert len(set(lengths.values())) == 1, lengths
    assert lengths["t"] > 0


def test_the_reference_stands_beside_what_came(lab: Lab) -> None:
    call = keep_a_call(lab)
    told = lab.client.get(f"/api/v1/calls/{call}/reference").json()
    assert told["text"].startswith("INVITE sip:+15550100@")
    assert {row["state"] for row in told["rows"]} <= {"same", "differs", "missing", "extra", "wrong"}
    assert KEY not in str(told)


def test_messages_carry_marks_for_the_findings_about_them(lab: Lab) -> None:
    call = keep_a_call(lab)
    (first, *_) = lab.client.get(f"/api/v1/calls/{call}/messages").json()["messages"]
    for mark in first["marks"]:
        assert 0 <= mark["start"] <= mark["end"] <= len(first["text"])


def test_too_much_work_at_once_is_a_503_and_the_rest_is_done(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    from sbc_sim.exports import junit

    calls = [keep_a_call(lab, name=f"c{number}") for number in range(AT_ONCE + MOST_WAITING + 2)]
    free = threading.Event()
    real = junit.junit_xml
    monkeypatch.setattr(junit, "junit_xml", lambda traces: (free.wait(50), real(traces))[1])
    statuses: list[int] = []

    def ask(call: str) -> None:
        with httpx.Client(trust_env=False, timeout=30) as client:
            statuses.append(client.get(f"http://127.0.0.1:{lab.port}/api/v1/calls/{call}/report.xml").status_code)

    asking = [threading.Thread(target=ask, args=(call,)) for call in calls]
    for thread in asking:
        thread.start()
    for what in ("", "/ladder.svg", "/messages"):
        assert lab.client.get(f"/api/v1/calls/{calls[0]}{what}").status_code == 200  # what pages show is answered meanwhile
    while statuses.count(503) < 2:
        assert any(thread.is_alive() for thread in asking)
        time.sleep(0.01)
    free.set()
    for thread in asking:
        thread.join(30)
    assert sorted(statuses) == [200] * (AT_ONCE + MOST_WAITING) + [503] * 2
    assert lab.client.get(f"/api/v1/calls/{calls[0]}/report.xml").status_code == 200


PAGES = 8


@pytest.mark.parametrize(
    ("module", "function", "path"),
    [
        ("ladder_svg", "ladder_svg", "ladder.svg?embedded=true"), ("series", "media_series", "media/series"),
        ("marks", "all_marks", "messages"), ("report", "report_data", "report.json"),
    ],
)  # fmt: skip
def test_pages_that_follow_one_call_have_each_view_made_once(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, module: str, function: str, path: str
) -> None:
    call, free, made, asked = keep_a_call(lab), threading.Event(), list[int](), list[int]()
    there = import_module(f"sbc_sim.exports.{module}")
    real, trace = getattr(there, function), lab.store.trace
    monkeypatch.setattr(there, function, lambda *given: (made.append(1), free.wait(50), real(*given))[2])
    monkeypatch.setattr(lab.store, "trace", lambda call: (asked.append(1), trace(call))[1])
    url, answers = f"http://127.0.0.1:{lab.port}/api/v1/calls/{call}/{path}", list[httpx.Response]()
    asking = [threading.Thread(target=lambda: answers.append(httpx.get(url, timeout=60, trust_env=False))) for _ in range(PAGES)]
    for thread in asking:
        thread.start()
    with socket.create_connection(("127.0.0.1", lab.port), 10) as line:  # one that goes away takes nothing from the others
        line.sendall(f"GET /api/v1/calls/{call}/{path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        while lab.on_reactor(lambda: len(asked)) <= PAGES:
            assert any(thread.is_alive() for thread in asking)
    free.set()
    for thread in asking:
        thread.join(50)
    assert [answer.status_code for answer in answers] == [200] * PAGES
    assert len({answer.content for answer in answers}) == 1
    assert len(made) == 1
    assert lab.client.get(url).status_code == 200
    assert len(made) == 2


def test_only_the_messages_of_the_page_are_marked_and_not_on_the_thread_of_the_reactor(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    from sbc_sim.exports import marks

    seen: list[str] = []
    real = marks.message_text
    monkeypatch.setattr(marks, "message_text", lambda *given: (seen.append(threading.current_thread().name), real(*given))[1])
    invite = an_invite(user_to_user="7b2z;encoding=hex")
    finding = {"rule": "SBC-UUI-003", "status": "fail", "severity": "must", "title": "t", "detail": "d", "evidence": []}
    lab.tell(started("c1"), message("c1", "INVITE", invite), message("c1", "BYE", b"BYE x"), Entry(START, Kind.FINDING, "c1", finding))
    assert lab.client.get("/api/v1/calls/c1/messages?cursor=1").json()["messages"][0]["number"] == 1
    assert seen == []
    (first,) = lab.client.get("/api/v1/calls/c1/messages?limit=1").json()["messages"]
    assert [mark["rule"] for mark in first["marks"]] == ["SBC-UUI-003"]
    assert len(seen) == 1
    assert lab.on_reactor(lambda: threading.current_thread().name) not in seen


@pytest.mark.parametrize("name", ["ladder.txt", "ladder.svg", "ladder.mmd"])
def test_a_ladder_can_be_had_at_every_level(lab: Lab, name: str) -> None:
    call = keep_a_call(lab)
    queries = ("", *(f"?redaction={one}" for one in LEVELS))
    plain, *levels = (lab.client.get(f"/api/v1/calls/{call}/{name}{query}").text for query in queries)
    assert plain == levels[0]
    assert len(set(levels)) == len(LEVELS)
    assert lab.client.get(f"/api/v1/calls/{call}/{name}?redaction=all").json()["code"] == "bad-redaction"


def test_a_file_that_fails_to_be_made_is_a_500_and_the_next_one_is_made(
    lab: Lab, faults: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    call = keep_a_call(lab)
    from sbc_sim.exports import junit

    with monkeypatch.context() as broken:
        broken.setattr(junit, "junit_xml", None)
        assert lab.client.get(f"/api/v1/calls/{call}/report.xml").status_code == 500
    assert len(faults) == 1
    faults.clear()
    assert lab.client.get(f"/api/v1/calls/{call}/report.xml").status_code == 200
