"""Everything around the answers: paths, methods, media types, admission, sizes, garbage, slow clients."""

from __future__ import annotations

import json
import re
import socket
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sbc_sim.http.exchange import json_reply
from sbc_sim.http.problem import Problem
from sbc_sim.http.routes import check_accept
from sbc_sim.http.site import token_needed
from tests.http.conftest import Lab, ended, reactor, started

MEMBERS = st.sampled_from(["match", "state", "after", "uui", "to", "from", "x"])
WISHES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(MEMBERS, inner, max_size=4),
    max_leaves=12,
)
LINES = st.tuples(st.binary(max_size=60), st.binary(max_size=99))
MakeLab = Callable[..., Lab]
TOKEN = "correct-horse"


def code(response: httpx.Response) -> tuple[int, str]:
    """Status and code of a problem, after checking what every problem must have."""
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == response.status_code
    assert all(body[member] for member in ("type", "title", "detail", "code", "fix"))
    return response.status_code, body["code"]


def test_an_unknown_path_names_the_nearest_one(lab: Lab) -> None:
    response = lab.client.get("/api/v1/call")
    assert code(response) == (404, "no-such-path")
    assert "/api/v1/calls" in response.json()["fix"]
    assert response.json()["instance"] == "/api/v1/call"


@pytest.mark.parametrize(
    ("method", "path"), [("DELETE", "/api/v1/calls"), ("POST", "/livez"), ("GET", "/api/v1/calls/wait"), ("BREW", "/metrics")]
)
def test_a_method_that_a_path_does_not_answer_is_a_405_with_allow(lab: Lab, method: str, path: str) -> None:
    response = lab.client.request(method, path)
    assert code(response) == (405, "method-not-allowed")
    assert response.headers["allow"] in ("GET, HEAD", "POST")


@pytest.mark.parametrize("path", ["/livez", "/metrics", "/api/v1/calls", "/api/v1/rules", "/api/v1/tls/ca.pem"])
def test_head_tells_of_get_without_its_body(lab: Lab, path: str) -> None:
    full, head = lab.client.get(path), lab.client.head(path)
    assert head.status_code == full.status_code == 200
    assert head.content == b""
    assert head.headers["content-type"] == full.headers["content-type"]
    assert int(head.headers["content-length"]) > 0


def test_head_of_what_is_not_there_is_a_404_without_a_body(lab: Lab) -> None:
    response = lab.client.head("/api/v1/calls/nobody")
    assert (response.status_code, response.content) == (404, b"")


@pytest.mark.parametrize(
    "accept", ["application/json", "*/*", "text/html, */*;q=0.1", "application/*", "Application/JSON;q=0.5", "", "text/*;q=0, */*"]
)
def test_json_is_given_to_whoever_can_take_it(lab: Lab, accept: str) -> None:
    assert lab.client.get("/api/v1/calls", headers={"Accept": accept}).status_code == 200


@pytest.mark.parametrize("accept", ["text/html", "application/xml;q=1", "application/json;q=0, */*", "*/*;q=0", "application/json;q=x"])
def test_whoever_rules_json_out_gets_a_406(lab: Lab, accept: str) -> None:
    assert code(lab.client.get("/api/v1/calls", headers={"Accept": accept})) == (406, "not-acceptable")


def test_the_ladder_is_text_and_the_ca_is_pem_to_the_accept_check_too() -> None:
    check_accept("text/plain", "text/plain; charset=utf-8")
    with pytest.raises(Problem):
        check_accept("application/json", "application/x-pem-file")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", None])
def test_a_body_that_is_not_declared_as_json_is_a_415(lab: Lab, kind: str | None) -> None:
    headers = {"Content-Type": kind} if kind else {}
    assert code(lab.client.post("/api/v1/calls/wait", content=b"{}", headers=headers)) == (415, "not-json")


@pytest.mark.parametrize("body", [b"{", b"nope", b"\xff\xfe", b'{"a":}', b"[]", b'"x"', b"5", b"null"])
def test_a_body_that_is_no_json_object_is_a_400(lab: Lab, body: bytes) -> None:
    response = lab.client.post("/api/v1/calls/wait", content=body, headers={"Content-Type": "application/json; charset=utf-8"})
    assert code(response) in ((400, "bad-json"), (400, "not-an-object"))


def test_a_body_over_the_limit_is_a_413_however_it_comes(make_lab: MakeLab) -> None:
    lab = make_lab(body_limit=1000)
    headers = {"Content-Type": "application/json"}
    ok = lab.client.post("/api/v1/calls/wait", content=b'{"timeoutS":0}' + b" " * 980, headers=headers)
    assert ok.status_code == 408
    announced = lab.client.post("/api/v1/calls/wait", content=b" " * 1001, headers=headers)
    assert code(announced) == (413, "body-too-large")
    assert announced.json()["limit"] == 1000
    chunked = lab.client.post("/api/v1/calls/wait", content=iter([b" " * 600, b" " * 600]), headers=headers)
    assert code(chunked) == (413, "body-too-large")
    huge = lab.client.post("/api/v1/calls/wait", content=iter([b" " * 65536] * 100), headers=headers)
    assert code(huge) == (413, "body-too-large")


def test_a_body_that_is_only_announced_is_refused_before_it_is_sent(lab: Lab) -> None:
    head = b"POST /api/v1/calls/wait HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 99999999999\r\n\r\n"
    answer = lab.raw(head)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"100 Continue" not in answer


GARBAGE = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200) + b"\r\n",
    b"INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/TLS x\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET / HTTP/1.1\r\nX: " + b"a" * 20000 + b"\r\n\r\n",
    b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\n\r\n",
    b"a" * 100_000,
    b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 600 + b"\r\n",
    b"GET / HTTP/1.1\r\nX: a\x00b\r\n\r\n",
]


@pytest.mark.parametrize("octets", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_gets_a_clean_answer_and_a_close(lab: Lab, octets: bytes) -> None:
    head, _, body = lab.raw(octets).partition(b"\r\n\r\n")
    assert head.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 431 "))
    assert b"Connection: close" in head
    assert json.loads(body)["status"] in (400, 431)
    assert lab.client.get("/livez").status_code == 200


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=200)
    | st.builds(lambda a, b: b"GET /" + a + b" HTTP/1.1\r\nHost: localhost\r\n" + b, st.binary(max_size=60), st.binary(max_size=99))
)
def test_any_octets_end_in_a_close_and_leave_the_interface_alive(lab: Lab, octets: bytes) -> None:
    answer = lab.raw(octets, half_close=True)
    assert answer == b"" or answer.startswith(b"HTTP/1.")
    assert lab.on_reactor(lambda: len(lab.factory.front.waiting)) == 0


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=80), st.dictionaries(st.text(max_size=10), st.text(max_size=10), max_size=4))
def test_no_path_and_no_query_makes_a_500(lab: Lab, path: str, query: dict[str, str]) -> None:
    from urllib.parse import quote, urlencode

    for front in ("/", "/api/v1/calls/", "/api/v1/rules/"):
        target = f"{front}{quote(path, errors='surrogatepass')}?{urlencode(query, errors='surrogatepass')}"
        assert lab.client.get(target).status_code in (200, 400, 404)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(WISHES)
def test_no_json_makes_waiting_fail_with_a_500(lab: Lab, value: object) -> None:
    body = {**value, "timeoutS": 0} if isinstance(value, dict) else value
    response = lab.client.post("/api/v1/calls/wait", content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert response.status_code in (400, 408)


def test_a_request_that_trickles_in_is_cut_off_with_a_408(make_lab: MakeLab) -> None:
    lab = make_lab(request_time=0.3)
    with closing(socket.create_connection(("127.0.0.1", lab.port), 10)) as line:
        line.sendall(b"GET /livez HTTP/1.1\r\nX-Slow: ")
        line.settimeout(0.05)
        answer, end = b"", time.monotonic() + 10
        while not answer:
            assert time.monotonic() < end
            try:
                line.sendall(b"a")  # each octet restarts an idle timer, but not this clock
                answer = line.recv(65536)
            except TimeoutError:
                continue
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_body_that_never_ends_is_cut_off_too(make_lab: MakeLab) -> None:
    lab = make_lab(request_time=0.2)
    answer = lab.raw(b"POST /api/v1/calls/wait HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\nabc")
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_an_idle_connection_is_closed(make_lab: MakeLab) -> None:
    lab = make_lab(idle_time=0.2)
    assert lab.raw(b"") == b""
    assert lab.raw(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").startswith(b"HTTP/1.1 200 ")


def test_a_wait_may_last_longer_than_any_of_these_times(make_lab: MakeLab) -> None:
    lab = make_lab(idle_time=0.1, request_time=0.1)
    response = lab.client.post("/api/v1/calls/wait", json={"timeoutS": 0.5})
    assert code(response) == (408, "no-such-call-in-time")


def test_connections_over_the_limit_are_closed_while_all_are_busy_and_free_again_later(make_lab: MakeLab) -> None:
    lab = make_lab(connections=2)
    lab.client.close()
    first, second = (socket.create_connection(("127.0.0.1", lab.port), 10) for _ in range(2))
    for line in (first, second):
        body = b'{"timeoutS": 60}'
        head = b"POST /api/v1/calls/wait HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n"
        line.sendall(head + body)
    lab.until_waiting(2)
    with closing(socket.create_connection(("127.0.0.1", lab.port), 10)) as third:
        assert third.recv(100) == b""
    first.close()
    second.close()
    end = time.monotonic() + 10
    while lab.on_reactor(lambda: len(lab.factory.live)):
        assert time.monotonic() < end
    assert lab.raw(b"GET /livez HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.0 200")


def test_at_the_limit_the_connection_that_lay_idle_longest_makes_room_for_a_health_probe(make_lab: MakeLab) -> None:
    lab = make_lab(connections=3)
    lab.client.close()
    probe = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
    lines = [socket.create_connection(("127.0.0.1", lab.port), 10) for _ in range(3)]
    for line in (lines[1], lines[2], lines[0]):  # the second one is idle longest
        line.sendall(probe)
        assert line.recv(1000).startswith(b"HTTP/1.1 200")
    fourth = socket.create_connection(("127.0.0.1", lab.port), 10)
    fourth.sendall(probe)
    assert fourth.recv(1000).startswith(b"HTTP/1.1 200")
    with pytest.raises(ConnectionResetError):
        lines[1].recv(100)
    for line in (lines[0], lines[2], fourth):
        line.sendall(probe)
        assert line.recv(1000).startswith(b"HTTP/1.1 200")
        line.close()


def test_at_the_limit_a_request_that_trickles_in_makes_room_too(make_lab: MakeLab) -> None:
    lab = make_lab(connections=2)
    lab.client.close()
    slow = [socket.create_connection(("127.0.0.1", lab.port), 10) for _ in range(2)]
    for line in slow:
        line.sendall(b"GET /livez HTTP/1.1\r\nX: ")
    end = time.monotonic() + 10
    while [one.spare for one in lab.on_reactor(lambda: list(lab.factory.live))] != [1, 1]:
        assert time.monotonic() < end
    assert lab.raw(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 200")
    for line in slow:
        line.close()


def test_pipelined_requests_are_answered_in_order(lab: Lab) -> None:
    one = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answer = lab.raw(one + one.replace(b"/livez", b"/nowhere") + one.replace(b"1.1\r\n", b"1.1\r\nConnection: close\r\n"))
    assert re.findall(rb"HTTP/1.1 (\d+) ", answer) == [b"200", b"404", b"200"]


def test_with_a_token_only_health_and_the_ca_stay_open(make_lab: MakeLab) -> None:
    lab = make_lab(token=TOKEN)
    for path in ("/livez", "/readyz", "/api/v1/tls/ca.pem"):
        assert lab.client.get(path).status_code == 200
    for path in ("/metrics", "/api/v1/info", "/api/v1/calls", "/api/v1/calls/x", "/api/v1/rules", "/nowhere", "/"):
        response = lab.client.get(path)
        assert code(response) == (401, "token-needed")
        assert response.headers["www-authenticate"] == 'Bearer realm="sbc-sim"'
    assert lab.client.post("/api/v1/calls/wait", content=b"garbage").status_code == 401
    assert lab.client.delete("/api/v1/calls").status_code == 401


@pytest.mark.parametrize("shown", [f"Bearer {TOKEN}", f"bearer {TOKEN}", f"BEARER  {TOKEN}"])
def test_the_token_opens_everything(make_lab: MakeLab, shown: str) -> None:
    lab = make_lab(token=TOKEN)
    for path, status in (("/metrics", 200), ("/api/v1/calls", 200), ("/nowhere", 404)):
        assert lab.client.get(path, headers={"Authorization": shown}).status_code == status


@pytest.mark.parametrize("shown", ["", "Bearer", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", b"Bearer \xff\xfe"])
def test_a_wrong_token_opens_nothing(make_lab: MakeLab, shown: str | bytes) -> None:
    lab = make_lab(token=TOKEN)
    assert lab.client.get("/api/v1/calls", headers={"Authorization": shown}).status_code == 401


def test_a_token_is_needed_for_every_address_that_others_can_reach() -> None:
    assert [token_needed(host) for host in ("127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost")] == [False] * 5
    assert [token_needed(host) for host in ("0.0.0.0", "::", "10.0.0.1", "", "example.com", "localhost.example.com")] == [True] * 6


@pytest.mark.parametrize("host", ["localhost", "localhost:8061", "LOCALHOST", "sim.localhost:1", "127.0.0.1", "[::1]:80", "192.0.2.7:8061"])
def test_without_a_token_addresses_and_localhost_are_our_names(lab: Lab, host: str) -> None:
    assert lab.client.get("/api/v1/calls", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:8061", "evil.example:8061"])
def test_without_a_token_a_foreign_name_is_refused_so_that_no_page_can_rebind_its_own(lab: Lab, host: str) -> None:
    assert code(lab.client.get("/api/v1/calls", headers={"Host": host})) == (403, "foreign-host")
    assert code(lab.client.get("/nowhere", headers={"Host": host})) == (403, "foreign-host")
    assert lab.client.get("/livez", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["", "a b", "localhost:http", "user@localhost", "localhost/x"])
def test_a_host_header_that_cannot_be_read_is_a_400(lab: Lab, host: str) -> None:
    assert code(lab.client.get("/api/v1/calls", headers={"Host": host})) == (400, "bad-host")


def test_two_or_no_host_headers_are_a_400(lab: Lab) -> None:
    assert lab.raw(b"GET /api/v1/calls HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\nConnection: close\r\n\r\n").startswith(
        b"HTTP/1.1 400"
    )
    assert lab.raw(b"GET /api/v1/calls HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.0 400")


def test_names_can_be_allowed(make_lab: MakeLab) -> None:
    lab = make_lab(hosts=("Sim.Example",))
    assert lab.client.get("/api/v1/calls", headers={"Host": "sim.example:80"}).status_code == 200
    assert lab.client.get("/api/v1/calls", headers={"Host": "other.example"}).status_code == 403
    assert make_lab(hosts=("*",)).client.get("/api/v1/calls", headers={"Host": "other.example"}).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:1", "file://"])
@pytest.mark.parametrize("path", ["/api/v1/calls", "/livez", "/api/v1/tls/ca.pem"])
def test_a_page_of_another_origin_is_refused_everywhere(lab: Lab, origin: str, path: str) -> None:
    assert code(lab.client.get(path, headers={"Origin": origin})) == (403, "foreign-origin")


def test_a_foreign_page_cannot_hang_up_a_call(lab: Lab) -> None:
    lab.tell(started("c1"))
    response = lab.client.post("/api/v1/calls/c1/hangup", headers={"Origin": "https://evil.example"})
    assert response.status_code == 403
    assert lab.hung_up == []


def test_our_own_page_and_allowed_origins_may_ask(make_lab: MakeLab) -> None:
    lab = make_lab(origins=("https://portal.example",))
    for origin in (f"http://127.0.0.1:{lab.port}", f"https://127.0.0.1:{lab.port}", "https://portal.example"):
        assert lab.client.get("/api/v1/calls", headers={"Origin": origin}).status_code == 200
    assert lab.client.get("/api/v1/calls", headers={"Origin": "http://portal.example"}).status_code == 403


def test_a_sub_path_works_by_setting_and_by_the_header_of_a_proxy(make_lab: MakeLab) -> None:
    lab = make_lab(base_path="/tools/sbc-sim/")
    for path in ("/tools/sbc-sim/api/v1/calls", "/api/v1/calls", "/tools/sbc-sim/livez"):
        assert lab.client.get(path).status_code == 200
    assert lab.client.get("/other/api/v1/calls").status_code == 404
    assert lab.client.get("/tools/sbc-simx/livez").status_code == 404
    for prefix in ("/p", "/p/"):
        for path in ("/p/livez", "/livez"):
            assert lab.client.get(path, headers={"X-Forwarded-Prefix": prefix}).status_code == 200
    assert lab.client.get("/livez", headers={"X-Forwarded-Prefix": "//evil/../x?"}).status_code == 200


def test_every_answer_carries_the_headers_that_keep_browsers_and_caches_honest(lab: Lab) -> None:
    for path in ("/livez", "/nowhere", "/metrics"):
        headers = lab.client.get(path).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["server"] == "sbc-sim"
        assert headers["date"].endswith("GMT")


def test_a_mistake_of_ours_is_a_500_without_a_word_of_its_inside(make_lab: MakeLab, faults: list[object]) -> None:
    lab = make_lab()
    lab.info = None  # type: ignore[assignment]
    response = lab.client.get("/api/v1/info")
    assert code(response) == (500, "internal-error")
    assert "NoneType" not in response.text
    assert len(faults) == 1
    faults.clear()
    assert lab.client.get("/livez").status_code == 200


def test_many_answers_go_over_one_connection(lab: Lab) -> None:
    lab.tell(started("c1"), *ended("c1"))
    for _ in range(50):
        assert lab.client.get("/api/v1/calls/c1").status_code == 200
    assert lab.on_reactor(lambda: len(lab.factory.live)) == 1


def test_json_keeps_text_as_text_and_shows_lone_surrogates() -> None:
    assert json_reply({"a": "é\udcff\ud800\n"}).body == '{"a":"é\\\\xff\\\\ud800\\n"}'.encode()


class Steady:
    """The reactor with seconds that have no date, as `serve` runs it."""

    def seconds(self) -> float:
        return time.monotonic()

    def __getattr__(self, name: str) -> object:
        return getattr(reactor, name)


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", b"200"),
        (b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", b"404"),
        (b"what is this\r\n\r\n", b"400"),
    ],
)
def test_every_answer_has_the_date_of_today_though_the_reactor_knows_none(make_lab: MakeLab, octets: bytes, status: bytes) -> None:
    head = make_lab(clock=Steady()).raw(octets).partition(b"\r\n\r\n")[0]
    assert head.split()[1] == status
    (date,) = re.findall(r"(?im)^date: (.+ GMT)\r?$", head.decode())
    assert abs(parsedate_to_datetime(date).timestamp() - time.time()) < 60


@pytest.mark.parametrize("framed", ["length", "chunks"])
def test_a_long_body_needs_no_place_on_disk(lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, framed: str) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    body = json.dumps({"text": "a" * 30_000, "parameters": None}).encode() + b" " * 150_000
    content = body if framed == "length" else iter((body[:100_000], body[100_000:]))
    response = lab.client.post("/api/v1/uui/encode", content=content, headers={"Content-Type": "application/json"})
    assert response.status_code in (200, 400), response.text
    assert response.json()
