"""The handle of a simulator in a process of its own, and the calls that it gives: everything that a test can do with them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from sbc_sim.client import ApiError
from sbc_sim.commands.call import _target
from sbc_sim.testing.call import CallFailed
from sbc_sim.testing.given import flat, shown
from sbc_sim.testing.instance import Died, Instance, NotStarted, nested
from sbc_sim.testing.rehearsal import RehearsalFailed
from sbc_sim.testing.simulator import NoSuchCall, SbcSim
from tests.end_to_end import raw_sip
from tests.end_to_end.clients.conversation import wait_until
from tests.testing.signalling import call, dialling


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SbcSim]:
    with SbcSim(Instance(tmp_path_factory.mktemp("handle"), {"escalation.check_seconds": 0.2}), timeout=60) as simulator:
        yield simulator


@pytest.fixture
def sim(running: SbcSim) -> SbcSim:
    running.reset()
    return running


def test_a_call_is_found_by_what_it_is(sim: SbcSim) -> None:
    call(sim, "+15551234")
    second = call(sim, uui=sim.uui({"orgId": "echo-test-org", "scrt2Domain": "afv-wss-echo:7442", "mark": "second"}))
    found = sim.wait_for_call(uui={"mark": "second"})
    assert (found.sip_call_id, found.state, found.called, found.ended_by) == (second.call_id, "ended", "5550100", "partner")
    assert sim.wait_for_call(to="+15551234").caller == "+15550111"
    assert sim.wait_for_call(sip_call_id=second.call_id) == found


def test_where_to_call_is_said_as_the_command_call_takes_it(sim: SbcSim) -> None:
    assert _target(sim.sip_uri) == (sim.host, sim.sip_port, sim.sip_uri)
    assert _target(sim.target) == (sim.host, sim.sip_port, "")


def test_of_several_that_fit_the_earliest_is_given_and_after_leads_to_the_next(sim: SbcSim) -> None:
    first, second = call(sim), call(sim)
    earliest = sim.wait_for_call()
    assert earliest.sip_call_id == first.call_id
    assert sim.wait_for_call(after=earliest).sip_call_id == second.call_id
    assert [found.sip_call_id for found in sim.calls()] == [first.call_id, second.call_id]


def test_a_call_of_the_test_before_is_no_call_of_this_one_though_it_was_left_up(running: SbcSim) -> None:
    with dialling(running) as left:
        running.reset()
        left.answer_bye()
    assert running.calls() == []
    with pytest.raises(NoSuchCall, match="Not one call came since this test began"):
        running.wait_for_call(timeout=0)


def test_a_call_that_passes_says_nothing_and_ignored_rules_are_ignored(sim: SbcSim) -> None:
    call(sim)
    found = sim.wait_for_call()
    found.assert_passed()
    found.assert_passed(strict=True, ignore=["SBC-MEDIA-*", "sbc-sdp-013"])
    assert found.rule("sbc-uui-002").passed
    assert found.assert_rule("SBC-TLS-001").status == "pass"
    with pytest.raises(CallFailed, match=r"\ASBC-MEDIA-001 is warned of in call .*\n\nWARN SBC-MEDIA-001 "):
        found.assert_passed(strict=True, ignore=["SBC-SDP-013"])
    with pytest.raises(LookupError, match="SBC-UUI-0002 is no rule; the nearest is SBC-UUI-002"):
        found.rule("SBC-UUI-0002")
    with pytest.raises(LookupError, match=r"SBC-MEDIUM-[*]' fits no rule"):
        found.assert_passed(ignore=["SBC-MEDIUM-*"])


def test_a_failure_says_which_rule_what_was_seen_how_to_mend_it_and_shows_the_ladder(sim: SbcSim) -> None:
    assert call(sim, uui="").status == 400
    found = sim.wait_for_call()
    assert (found.state, found.status) == ("rejected", 400)
    with pytest.raises(CallFailed) as failure:
        found.assert_passed()
    text = str(failure.value)
    assert text.startswith(f"SBC-UUI-001 is not kept by call {found.id} from +15550111 to 5550100\n")
    for wanted in ("seen    There is no User-to-User header.", "fix     Add User-to-User: 7b", "INVITE with SDP", "400 Bad Request"):
        assert wanted in text
    with pytest.raises(CallFailed, match=r"\ASBC-UUI-001 says fail, not pass, of call"):
        found.assert_rule("SBC-UUI-001")
    with pytest.raises(CallFailed, match="SBC-UUI-001"):
        sim.assert_all_passed()


def test_a_call_that_is_up_has_not_passed_yet(sim: SbcSim) -> None:
    with dialling(sim) as dialled:
        found = sim.wait_for_call(state="answered")
        with pytest.raises(CallFailed, match=r"is answered: the rules on its end have not spoken. Wait for its end first"):
            found.assert_passed(ignore=["SBC-MEDIA-*"])
        with pytest.raises(LookupError, match="SBC-DLG-014 has not spoken"):
            found.rule("SBC-DLG-014")
        with pytest.raises(CallFailed, match="is answered, not ended, after 0 s"):
            found.wait(timeout=0)
        sim.client.hang_up(found.id)
        dialled.answer_bye()
        assert found.wait().ended_by == "sbc"


def test_a_call_that_never_gets_so_far_is_told_at_once(sim: SbcSim) -> None:
    assert call(sim, "busy").status == 486
    with pytest.raises(CallFailed, match="is over and was never answered"):
        sim.wait_for_call(to="busy").wait("answered", timeout=100)


def test_what_came_instead_is_told_with_how_it_differs(sim: SbcSim) -> None:
    call(sim, "+15551234")
    with pytest.raises(NoSuchCall) as failure:
        sim.wait_for_call(to="+4930", uui={"orgId": "00D", "voiceCallId": "0LQ"}, region="tokyo", timeout=0)
    text = str(failure.value)
    assert 'no call with uui={"orgId": "00D", "voiceCallId": "0LQ"}, to="+4930", region="tokyo" that is ended within 0 s' in text
    assert "+15550111 -> +15551234" in text
    assert "uui.orgId is 'echo-test-org', not '00D'" in text
    assert "uui has no voiceCallId; it decodes to" in text
    assert "to is '+15551234', not '+4930'" in text
    assert "region is 'None', not 'tokyo'" in text


def test_a_connection_that_never_became_a_call_is_told_with_its_rule(sim: SbcSim, tmp_path: Path) -> None:
    stranger = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(stranger))
    with pytest.raises(OSError, match="certificate verify failed"), raw_sip.connected(sim.sip_port, stranger):
        pass
    assert sim.wait_for_attempt()["problem"] == "unknown-ca"
    with pytest.raises(NoSuchCall, match=r"(?s)1 connection never became a call:.*SBC-TLS-006.*fix +Import our CA"):
        sim.wait_for_call(timeout=0)
    with pytest.raises(CallFailed, match="SBC-TLS-006"):
        sim.assert_all_passed()


def test_who_connects_and_sends_no_call_is_told_apart_from_nobody(sim: SbcSim) -> None:
    with pytest.raises(NoSuchCall, match="Nor did anybody connect"):
        sim.wait_for_call(timeout=0)
    with raw_sip.connected(sim.sip_port, sim.ca_pem) as raw:
        raw.send(raw_sip.request("OPTIONS", "only-options"))
        assert raw.final() is not None
        with pytest.raises(NoSuchCall, match=r"connected over TLS, and sent no INVITE|belongs to no call"):
            sim.wait_for_call(timeout=0)


def test_files_of_a_call_are_chosen_by_their_ending(sim: SbcSim, tmp_path: Path) -> None:
    call(sim)
    found = sim.wait_for_call()
    assert found.save(tmp_path / "sub" / "x.pcapng").read_bytes()[:4] == b"\x0a\x0d\x0d\x0a"
    assert "INVITE" in found.save(tmp_path / "x.txt").read_text()
    assert found.save(str(tmp_path / "x.html")).read_text().startswith("<!")
    with pytest.raises(ValueError, match=r"x.doc: no file of a call ends so; there are .pcapng .wav"):
        found.save(tmp_path / "x.doc")
    with pytest.raises(ApiError):
        found.save(tmp_path / "x.wav")
    assert sorted(file.name for file in tmp_path.rglob("*") if file.is_file()) == ["x.html", "x.pcapng", "x.txt"]


def test_faults_strike_count_and_go_with_their_block_or_the_next_test(sim: SbcSim) -> None:
    with sim.faults.add("busy", number="+1555*") as busy:
        assert call(sim, "+15551234").status == 486
        assert busy.hits == 1
        assert sim.faults.add("busy", number="+49*").name == "busy-2"
    assert call(sim, "+15551234").status == 200
    assert [fault.name for fault in sim.faults] == ["busy-2"]
    sim.reset()
    assert sim.faults.all() == []
    with pytest.raises(ApiError, match="bussy"):
        sim.faults.add("bussy")


def test_a_call_is_given_back_to_the_partner(sim: SbcSim) -> None:
    with dialling(sim) as dialled:
        live = sim.wait_for_call(state="answered")
        sim.escalate(live, mode="bye", why="the test wants it")
        bye = dialled.answer_bye()
        assert "Reason:" in bye
        assert "the test wants it" in bye
        live.wait()
        live.partner_says(customerAlive=True, repReached=True, linked=True)
        assert live.refresh().escalation is not None


def test_a_rehearsal_tells_its_steps_and_what_is_missing(sim: SbcSim, tmp_path: Path) -> None:
    rehearsal = sim.rehearse(regions=["frankfurt"], parts=["connectivity"])
    assert rehearsal.step("connectivity/frankfurt")["state"] == "waiting"
    with pytest.raises(RehearsalFailed, match=r"(?s)not over after 0 s: rehearsal \S+ is running.*waiting  connectivity/frankfurt\n +\w+"):
        rehearsal.wait(timeout=0)
    with pytest.raises(RehearsalFailed, match="is running"):
        rehearsal.assert_passed()
    with pytest.raises(LookupError, match="there are connectivity/frankfurt"):
        rehearsal.step("connectivity/london")
    assert rehearsal.save(tmp_path / "r.xml").read_text().startswith("<?xml")
    sim.reset()
    sim.rehearse(regions=["frankfurt"], parts=["connectivity"]).stop()  # the one before runs no more, or this would be refused


def test_a_key_by_which_tokens_are_checked_is_given_in_the_test(sim: SbcSim) -> None:
    key = rsa.generate_private_key(65537, 2048).public_key()
    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    sim.trust_key(pem, org_id="00D5i00000ABCDE")
    assert "2048" in str(sim.client.get("/api/v1/telephony/keys"))
    assert sim.voice_calls() == []
    with pytest.raises(ApiError, match="PEM"):
        sim.trust_key("no key at all")


# --- the process ---------------------------------------------------------------------------------------------------------


def test_settings_by_their_names_become_a_file() -> None:
    assert nested({"uui.missing": "warn", "uui.limit": 5, "partners": {"a": {"networks": "10.0.0.0/8"}}, "partners.b.sni": "x"}) == {
        "uui": {"missing": "warn", "limit": 5},
        "partners": {"a": {"networks": "10.0.0.0/8"}, "b": {"sni": "x"}},
    }
    with pytest.raises(NotStarted, match=r"uui\.missing\.x does not go together"):
        nested({"uui.missing": "warn", "uui.missing.x": "1"})


def test_a_setting_that_is_not_known_is_told_with_the_nearest_one_and_no_secret(tmp_path: Path) -> None:
    with pytest.raises(NotStarted) as failure:
        Instance(tmp_path, {"uui.mising": "warn", "http.token": "hush-hush"}).start()
    assert "uui.mising is not known; the nearest setting is uui.missing" in str(failure.value)
    assert "exit code 2" in str(failure.value)
    assert "hush-hush" not in str(failure.value)


@pytest.mark.parametrize(
    "secret",
    [
        {"http": {"token": "hush", "listne": "x"}},
        {"hep": {"password": "hush"}, "store.pasword": "hush"},
        {"store.url": "postgresql://sbc@db/calls?password=hush"},
        {"store": {"url": "postgresql://sbc:hush@db/calls"}},
        {"partners": {"acme": {"token": "hush"}}},
    ],
)
def test_secrets_are_masked_in_groups_urls_and_misspelt_names_too(secret: dict[str, object]) -> None:
    assert "hush" not in shown(secret)
    assert "hush" not in shown(flat(secret))
    assert shown({"uui.limit": 5, "http.listen": "127.0.0.1:0", "log": {"level": "debug"}}) == (
        '{"uui.limit": 5, "http.listen": "127.0.0.1:0", "log": {"level": "debug"}}'
    )


def test_settings_in_groups_are_those_by_their_names(tmp_path: Path) -> None:
    assert flat({"uui": {"missing": "warn", "limit": None}, "uui.limit": 5, "sip": {"numbers": {"+1": "busy"}}}) == {
        "uui.missing": "warn",
        "uui.limit": 5,
        "sip.numbers": {"+1": "busy"},
    }
    assert flat({"partners": {"a": {"label": "x"}}}) == {"partners": {"a": {"label": "x"}}}
    grouped = Instance(tmp_path, {"http": {"token": "hush", "listen": None}, "tls": {"dir": tmp_path / "own"}})
    assert (grouped.token, grouped.host, grouped.ca_pem) == ("hush", "127.0.0.1", tmp_path / "own" / "ca.pem")
    assert Instance(tmp_path, {"http": {"listen": "0.0.0.0:0"}}).token


def test_one_that_listens_everywhere_is_called_on_loopback_and_its_settings_are_for_nobody_else(tmp_path: Path) -> None:
    with SbcSim(Instance(tmp_path, {"sip": {"listen": "0.0.0.0:0"}, "http": {"token": "hush"}})) as sim:
        assert sim.sip_uri == f"sip:echo@127.0.0.1:{sim.sip_port};transport=tls"
        call(sim)
        assert sim.wait_for_call().ended_by == "partner"
        assert (tmp_path / "settings.yaml").stat().st_mode & 0o077 == 0


def test_a_handle_that_cannot_be_made_leaves_nothing_running(tmp_path: Path) -> None:
    class Mute(Instance):
        """One whose API is asked with a token that it does not know."""

        @property
        def token(self) -> str:
            return "another"

    mute = Mute(tmp_path, {"http.listen": "0.0.0.0:0"})
    with pytest.raises(ApiError, match="token"):
        SbcSim(mute)
    assert not mute.alive


def test_off_loopback_the_handle_knows_the_token(tmp_path: Path) -> None:
    with SbcSim(Instance(tmp_path, {"http.listen": "0.0.0.0:0", "http.base_path": "/sub"})) as sim:
        assert sim.token
        assert sim.token not in repr(sim)
        assert sim.api_url.endswith("/sub")
        call(sim)
        assert sim.wait_for_call().ended_by == "partner"


def test_one_that_dies_is_told_with_its_log_and_comes_back_at_the_same_ports(tmp_path: Path) -> None:
    with SbcSim(Instance(tmp_path), timeout=60) as sim:
        call(sim)
        sim.wait_for_call()
        kill(sim)
        with pytest.raises(Died, match=r"(?s)ended by signal 9.*calls sip:5550100@localhost.*log: .*sbc-sim\.log"):
            sim.wait_for_call(timeout=60)
        before = sim.sip_uri, sim.api_url, sim.ca_pem.read_bytes()
        sim.reset()
        assert (sim.sip_uri, sim.api_url, sim.ca_pem.read_bytes()) == before
        call(sim)
        assert len(sim.calls()) == 1


def kill(sim: SbcSim) -> None:
    assert sim.instance.pid is not None
    os.kill(sim.instance.pid, signal.SIGKILL)


def test_it_ends_with_the_process_that_started_it_even_when_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys\n"
        "from sbc_sim.testing.instance import Instance\n"
        "instance = Instance(pathlib.Path(sys.argv[1])); instance.start(); print(instance.pid, flush=True); sys.stdin.read()\n"
    )
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert Path(f"/proc/{pid}").exists()
        parent.kill()
    wait_until(lambda: not _alive(pid), "the simulator of a killed process ends")


def _alive(pid: int) -> bool:
    """A process that ended may wait for init to notice."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_stop_is_a_clean_end(tmp_path: Path) -> None:
    instance = Instance(tmp_path)
    instance.start()
    assert instance.stop() == 0
    assert not instance.alive


def test_what_is_set_for_other_simulators_does_not_reach_this_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SBC_SIM_UUI__MISSING", "nonsense")
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    with SbcSim(Instance(tmp_path), timeout=60) as sim:
        assert sim.info["profile"] == "published"
