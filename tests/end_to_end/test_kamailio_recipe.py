"""The files of docs/recipes/kamailio.md, as they stand there, carry a call to the simulator."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.end_to_end.clients import kamailio
from tests.end_to_end.clients.conversation import wait_until
from tests.end_to_end.clients.kamailio import Proxy
from tests.end_to_end.conftest import require
from tests.end_to_end.server import ROOT, Server

pytestmark = [pytest.mark.partners, pytest.mark.timeout(240)]

RECIPE = (ROOT / "docs" / "recipes" / "kamailio.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^`/etc/kamailio/([a-z.]+)`(?:(?!^`/etc).)*?^```\n(.*?)^```", RECIPE, re.MULTILINE | re.DOTALL))
"""What stands in the first block behind each name."""


@pytest.fixture
def proxy(authority: trustme.CA, running_server: Server, tmp_path: Path) -> Iterator[Proxy]:
    require(kamailio.NAME, kamailio.missing())
    leaf = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(str(tmp_path / "proxy-ca.pem"))

    def write(home: Path, port: int) -> None:
        leaf.private_key_pem.write_to_path(str(home / "kamailio.key"))
        leaf.cert_chain_pems[0].write_to_path(str(home / "kamailio.pem"))
        (home / "sbc-sim-ca.pem").write_bytes(running_server.ca.read_bytes())
        here = {
            "192.0.2.20:5061": f"127.0.0.1:{port}",
            "192.0.2.10:5061": f"127.0.0.1:{running_server.sip_port}",
            "/etc/kamailio": str(home),
        }
        here['"ds_ping_interval", 30'] = '"ds_ping_interval", 1'
        for name, text in FILES.items():
            for theirs, ours in here.items():
                text = text.replace(theirs, ours)
            (home / name).write_text(text.replace("loadmodule", f'mpath="{(kamailio._modules() or home).parent}/"\nloadmodule', 1))

    with kamailio.running(tmp_path, write) as proxy:
        yield proxy


def test_the_recipe_has_its_three_files() -> None:
    assert set(FILES) == {"tls.cfg", "dispatcher.list", "kamailio.cfg"}


def test_a_call_without_the_header_arrives_with_it_and_hears_its_echo(proxy: Proxy, running_server: Server, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sbc_sim", "call", f"tls:{proxy.address}", "--ca", str(tmp_path / "proxy-ca.pem")]
    run = subprocess.run([*command, "--no-uui", "--seconds", "2", "--json"], cwd=ROOT, capture_output=True, text=True, timeout=90)
    assert run.returncode == 0, run.stdout + run.stderr + proxy.conversation.last_words()
    sip_call_id = json.loads(run.stdout)["calls"][0]["sipCallId"]
    told = running_server.wait_for_call(sip_call_id, "ended")
    assert told["uui"]["fields"]["orgId"] == "echo-test-org"
    assert told["verdict"]["counts"]["fail"] == 0, told["verdict"]


def test_its_options_are_answered(proxy: Proxy, running_server: Server) -> None:
    answered = re.escape('sbc_sim_sip_responses_total{code="200",direction="out",method="OPTIONS"}')
    before = running_server.metric(answered)
    wait_until(lambda: running_server.metric(answered) > before, "OPTIONS of the dispatcher", said=proxy.conversation.last_words)
