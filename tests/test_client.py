"""The client against a real simulator, and against servers that answer as no simulator does."""

import io
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler

import pytest

from sbc_sim import client as client_module
from sbc_sim.client import DEFAULT_API, ApiError, Client, Unreachable
from tests.end_to_end.server import ROOT, Server, serving
from tests.support.answering import answering, send

CALLS = 3


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    """A simulator that asks for a token and has had three calls."""
    folder = tmp_path_factory.mktemp("client")
    with serving(folder, HTTP__TOKEN="the-token", HTTP__BASE_PATH="/behind/proxy") as running:
        words = ["call", f"tls:127.0.0.1:{running.sip_port}", "--ca", str(running.ca), "--seconds", "1", "--calls", str(CALLS)]
        environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
        subprocess.run([sys.executable, "-m", "sbc_sim", *words], check=True, env=environment, capture_output=True, timeout=50)
        yield running


@pytest.fixture
def client(server) -> Client:
    return Client(f"http://127.0.0.1:{server.http_port}/behind/proxy/", "the-token")


def test_the_client_imports_nothing_of_ours_and_no_twisted():
    probe = "import sys, sbc_sim.client; print([n for n in sys.modules if n.startswith(('sbc_sim.', 'twisted', 'OpenSSL'))])"
    done = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['sbc_sim.client']"


def test_address_and_token_come_from_arguments_environment_or_default(tmp_path):
    file = tmp_path / "token"
    file.write_text("of-the-file\n")
    assert Client(environment={}).api == DEFAULT_API
    named = Client(environment={"SBC_SIM_API": "http://sbc:9/x/", "SBC_SIM_TOKEN_FILE": str(file)})
    assert (named.api, named._token) == ("http://sbc:9/x", "of-the-file")
    both = Client("here:1", "mine", environment={"SBC_SIM_API": "http://sbc:9", "SBC_SIM_TOKEN": "other"})
    assert (both.api, both._token) == ("here:1", "mine")


def test_inside_of_a_container_the_token_of_the_instance_is_shown_to_it_and_to_no_other(tmp_path):
    file = tmp_path / "token"
    file.write_text("of-the-file\n")
    assert Client(environment={"SBC_SIM_HTTP__TOKEN": "its-own"}).token == "its-own"
    assert Client(f"{DEFAULT_API}/", environment={"SBC_SIM_HTTP__TOKEN_FILE": str(file)}).token == "of-the-file"
    assert Client(environment={"SBC_SIM_HTTP__TOKEN": "its-own", "SBC_SIM_TOKEN_FILE": str(file)}).token == "of-the-file"
    for api in ("http://sbc:8061", "http://127.0.0.1:8062", f"{DEFAULT_API}/sub", "https://127.0.0.1:8061"):
        assert Client(environment={"SBC_SIM_API": api, "SBC_SIM_HTTP__TOKEN": "its-own"}).token is None


@pytest.mark.parametrize(
    "api", ["ftp://x", "http://", "http://a:b", "http://a:99999", "http://u@h", "http://h/?q", "http://h/\x1b[2J", "http://[::1"]
)
def test_what_is_no_address_is_refused_with_the_form_it_should_have(api):
    with pytest.raises(ValueError, match="write http://HOST:PORT"):
        Client(api, environment={})


def test_a_token_that_would_break_out_of_its_header_is_refused():
    with pytest.raises(ValueError, match="token"):
        Client("http://h", "a\r\nX: y", environment={})


def test_calls_come_page_by_page_newest_first_and_only_as_many_as_asked_for(client, monkeypatch):
    monkeypatch.setattr(client_module, "PAGE", 2)
    every = list(client.calls())
    assert len(every) == CALLS
    assert [call["startedAt"] for call in every] == sorted((call["startedAt"] for call in every), reverse=True)
    assert [call["id"] for call in client.calls(most=1)] == [every[0]["id"]]
    assert list(client.calls(status="rejected")) == []
    assert len(list(client.calls(since=every[0]["startedAt"]))) >= 1


def test_one_call_and_all_that_is_known_of_it(client):
    call = client.call("last")
    assert client.call(call["id"])["sipCallId"] == call["sipCallId"]
    assert client.verdict(call["id"])["final"] is True
    assert client.media(call["id"])["agreed"]["codec"] == "PCMU"
    assert client.uui(call["id"])["isEcho"] is True
    assert [message["summary"] for message in client.messages(call["id"])][:2] == ["INVITE", "100 Trying (INVITE)"]
    assert "INVITE" in client.ladder(call["id"], 80)
    assert client.info()["version"]
    assert client.setup()["uui"]["header"] == "User-to-User"
    assert client.wait({"sipCallId": call["sipCallId"]})["id"] == call["id"]


def test_a_wait_that_is_in_vain_is_a_408_with_its_fix(client):
    with pytest.raises(ApiError) as refused:
        client.wait({"to": "nobody"}, timeout=0)
    assert (refused.value.status, refused.value.code) == (408, "no-such-call-in-time")
    assert refused.value.fix


@pytest.mark.parametrize("call", ["nope", "..", ".", "../../info", "a/b", "%2e%2e", "ä\x1b", "x" * 500])
def test_an_id_stays_one_segment_of_the_path_whatever_it_holds(client, call):
    with pytest.raises(ApiError) as refused:
        client.call(call)
    assert refused.value.code == "no-such-call"


def test_a_missing_token_is_told_as_such(server):
    with pytest.raises(ApiError) as refused:
        Client(f"http://127.0.0.1:{server.http_port}/behind/proxy", environment={}).info()
    assert (refused.value.status, refused.value.code) == (401, "token-needed")


def test_a_download_streams_what_the_api_gives(client):
    call, target, told = client.call("last")["id"], io.BytesIO(), []
    octets = client.download(f"/api/v1/calls/{call}/ladder.txt", target, lambda come, length: told.append((come, length)))
    assert target.getvalue().decode() == client.ladder(call)
    assert told[-1] == (octets, octets)


def test_a_full_disk_is_not_blamed_on_the_network(client):
    class Full(io.BytesIO):
        def write(self, _):
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        client.download("/api/v1/info", Full())


def test_events_begin_with_what_was_missed_and_go_on_live(client, server):
    seen = []
    stream = client.events(after="0")
    assert next(stream).name == "resync"
    words = ["call", f"tls:127.0.0.1:{server.sip_port}", "--ca", str(server.ca), "--no-uui"]
    subprocess.run([sys.executable, "-m", "sbc_sim", *words], env={"PYTHONPATH": str(ROOT)}, capture_output=True, timeout=50, check=False)
    for event in stream:
        seen.append(event)
        if event.name == "call.ended":
            break
    stream.close()
    assert "call.started" in [event.name for event in seen]
    assert seen[-1].data["state"] == "rejected"
    again = client.events(after=seen[-2].id)
    assert next(again).id == seen[-1].id, "what came after an id is told again"
    again.close()


def test_nobody_there_is_one_sentence_with_the_cure():
    with pytest.raises(Unreachable) as refused:
        Client("http://127.0.0.1:1", environment={}).info()
    cure = "Start `sbc-sim serve`, or name the instance with --api or SBC_SIM_API."
    assert str(refused.value) == f"No sbc-sim answers at http://127.0.0.1:1: connection refused. {cure}"
    with pytest.raises(Unreachable):
        next(Client("http://127.0.0.1:1", environment={}).events())


@pytest.mark.parametrize(
    ("status", "kind", "body"),
    [(200, "text/html", b"<html>"), (200, "application/json", b"[1]"), (200, "application/json", b"{}"), (502, "text/html", b"Bad Gateway"),
     (404, "application/json", b'{"error": "no"}'), (302, "text/html", b""), (200, "application/json", b"[" * 100_000)],
)  # fmt: skip
def test_another_program_is_told_from_a_simulator(status, kind, body):
    with answering(lambda desk: send(desk, body, status, kind)) as api, pytest.raises(ApiError) as refused:
        list(Client(api, environment={}).calls())
    assert refused.value.code == "not-sbc-sim"
    assert "Check the address" in refused.value.fix


def test_an_answer_that_ends_too_early_is_an_error_and_not_a_short_file():
    with answering(lambda desk: send(desk, b"half", length=4000)) as api, pytest.raises(Unreachable, match="4 of 4000 octets"):
        Client(api, environment={}).download("/x", io.BytesIO())


def test_a_server_that_says_nothing_is_given_up_after_the_timeout():
    held = threading.Event()
    with answering(lambda desk: held.wait(20) and None) as api:
        with pytest.raises(Unreachable, match=r"no answer within 0\.2 s"):
            Client(api, timeout=0.2, environment={}).info()
        held.set()


def test_what_is_not_http_is_said_to_be_so():
    import socket

    with closing(socket.create_server(("127.0.0.1", 0))) as listening:

        def answer() -> None:
            line = listening.accept()[0]
            line.recv(1000)
            line.sendall(b"SSH-2.0-OpenSSH\r\n")
            line.close()

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(Unreachable, match="not HTTP"):
            Client(f"http://127.0.0.1:{listening.getsockname()[1]}", environment={}).info()


def test_events_are_taken_up_where_they_were_lost_and_given_up_in_the_end(monkeypatch):
    monkeypatch.setattr(client_module, "PAUSES", (0.0, 0.0))
    asked = []

    def answer(desk: BaseHTTPRequestHandler) -> None:
        asked.append(desk.headers["Last-Event-ID"])
        told = f": alive\n\nid: {len(asked)}\nevent: reset\ndata: {{}}\n\n" if len(asked) < 3 else ""
        desk.send_response(200)
        desk.send_header("Content-Type", "text/event-stream")
        desk.end_headers()
        desk.wfile.write(f"{told}data: no json\n\nid: 9\ndata: {{".encode())

    with answering(answer) as api:
        stream = Client(api, environment={}).events(after="0")
        assert [next(stream).id, next(stream).id] == ["1", "2"]
        with pytest.raises(Unreachable):
            next(stream)
    assert asked == ["0", "1", "2", "2", "2"][: len(asked)]
    assert len(asked) == 4, "two attempts without news after the last event"


def test_an_event_without_end_does_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(client_module, "LONGEST_EVENT", 1000)
    body = b"data: " + json.dumps({"x": "y" * 5000}).encode() + b"\n\n"
    with answering(lambda desk: send(desk, body, kind="text/event-stream")) as api, pytest.raises(ApiError) as refused:
        next(Client(api, environment={}).events())
    assert refused.value.code == "event-too-long"
