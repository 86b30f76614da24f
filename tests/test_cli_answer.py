"""`sbc-sim answer` as a process, called by `sbc-sim call`: what it tells, and what it does wrong when told to."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.end_to_end.clients.conversation import Conversation
from tests.end_to_end.server import ROOT

PROGRAM = [sys.executable, "-m", "sbc_sim"]
SURROUNDINGS = {"PYTHONPATH": str(ROOT), "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}


@contextmanager
def answering(folder: Path, *options: str) -> Iterator[tuple[Conversation, int]]:
    command = [*PROGRAM, "answer", "--tls-dir", str(folder / "certs"), "--timeout", "60", *options]
    conversation = Conversation("answer", command, folder, SURROUNDINGS)
    try:
        yield conversation, int(conversation.wait_for(r"^listening +tls:127\.0\.0\.1:(\d+)").group(1))
    finally:
        conversation.end()


def call(folder: Path, port: int, *options: str) -> tuple[int, dict[str, object]]:
    command = [*PROGRAM, "call", f"tls:127.0.0.1:{port}", "--ca", str(folder / "certs" / "ca.pem"), "--seconds", "1", "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True, env=SURROUNDINGS, cwd=folder, timeout=120, check=False)
    return done.returncode, json.loads(done.stdout)


def test_a_call_given_back_is_told_with_its_headers_and_its_user_to_user(tmp_path: Path):
    content = '{"orgId":"00D000000000001","voiceCallId":"0LQ000000000001"}'
    with answering(tmp_path, "--calls", "1") as (said, port):
        _, told = call(tmp_path, port, "--uui-text", content, "--header", "X-Intent: billing")
        said.wait_for(r"^  in order$")
        assert said.process.wait(30) == 0
        assert f"partners.NAME.return_uri: sip:partner@127.0.0.1:{port};transport=tls" in said.said
        assert re.search(r"(?m)^  X-Intent: billing$", said.said)
        assert "field     voiceCallId = 0LQ000000000001" in said.said
        assert re.search(r"answered, PCMU over AES_CM_128_HMAC_SHA1_80, \d+ packets heard, [\d.]+ s, ended by sbc", said.said)
    assert told["calls"][0]["status"] == 200  # type: ignore[index]


@pytest.mark.parametrize(
    ("mistake", "problem", "words"),
    [
        ("demands-certificate", "server-wants-certificate", "certificate"),
        ("wrong-name", "untrusted-server", "not for 127.0.0.1"),
        ("plain-text", "plain-sip", "SIP"),
    ],
)
def test_a_partner_that_does_it_wrong_is_known_by_its_mistake(tmp_path: Path, mistake: str, problem: str, words: str):
    with answering(tmp_path, "--mistake", mistake) as (said, port):
        code, told = call(tmp_path, port)
        assert f"on purpose: {mistake}" in said.said
    failure = told["failure"]
    assert isinstance(failure, dict)
    assert code == 3
    assert words in failure["detail"]
    assert failure["problem"] == problem


def test_media_in_clear_is_no_media_for_the_caller(tmp_path: Path):
    with answering(tmp_path, "--mistake", "no-srtp") as (_, port):
        code, told = call(tmp_path, port)
    assert code == 1
    assert "the answer cannot be used" in str(told["calls"][0]["problems"])  # type: ignore[index]


def test_nobody_calls_and_the_exit_code_says_so(tmp_path: Path):
    done = subprocess.run(
        [*PROGRAM, "answer", "--tls-dir", str(tmp_path / "certs"), "--timeout", "0.3", "--json"],
        capture_output=True,
        text=True,
        env=SURROUNDINGS,
        cwd=tmp_path,
        timeout=60,
        check=False,
    )
    assert done.returncode == 4
    assert json.loads(done.stdout)["calls"] == []


def test_the_demo_of_the_return_shows_both_legs_and_every_step(tmp_path: Path):
    done = subprocess.run(
        [*PROGRAM, "demo", "--escalate"], capture_output=True, text=True, env=SURROUNDINGS, cwd=tmp_path, timeout=150, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    for title in ("The call to the agent, as the simulator saw it", "The call that is given back, as the simulator saw it", "in order"):
        assert title in done.stdout
    assert len(re.findall(r"(?m)^passed  ", done.stdout)) == 11
