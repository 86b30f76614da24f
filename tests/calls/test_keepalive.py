"""OPTIONS of ours to partners: the switchboard and the partner's answerer joined without sockets."""

from __future__ import annotations

from typing import Any

import pytest

from sbc_sim.calls.keepalive import MOST_WAYS, RESULTS, KeepalivePlan, ways_of
from sbc_sim.calls.partner import Partner
from sbc_sim.journal.entries import Kind
from sbc_sim.sip.peer import TlsProblem
from tests.support.given_back import GivenBack, refused_by

ACME = Partner("acme", return_uri="sips:+15550100@back.acme.example:5071", ca="/ca/acme.pem")


def asking(*partners: Partner, seconds: float = 30.0, **options: Any) -> GivenBack:
    return GivenBack(asking=KeepalivePlan(seconds, partners or (ACME,)), **options)


def go_on(lab: GivenBack, seconds: float) -> None:
    """Time jumps from one deadline of the three cores to the next."""
    end = lab.now + seconds
    while True:
        due = [side.core.deadline for side in (lab.sbc, lab.back) if side.core.deadline is not None]
        if not due or min(due) > end:
            lab.now = end
            return
        lab.now = max(lab.now, min(due)) - 0.01
        lab.step()


def sent(lab: GivenBack) -> list[str]:
    return [e.raw.decode() for e in lab.sbc.told(Kind.MESSAGE) if e.data["direction"] == "out" and e.data["method"] == "OPTIONS"]


def notes(lab: GivenBack) -> list[str]:
    return [entry.data["text"] for entry in lab.sbc.told(Kind.NOTE)]


def state(lab: GivenBack, partner: str = "acme") -> dict[str, Any]:
    (told,) = lab.switchboard.keepalive.states(partner)
    return told


def test_a_partner_is_asked_every_so_often_on_one_connection_that_is_kept() -> None:
    lab = asking()
    go_on(lab, 95)
    assert len(sent(lab)) == 4
    assert [(one.host, one.port, one.trust) for one in lab.dialled] == [("back.acme.example", 5071, "/ca/acme.pem")]
    assert lab.switchboard.in_use(lab.dialled[0].connection)
    assert lab.closed == []
    told = state(lab)
    assert (told["result"], told["status"], told["failures"], told["why"]) == ("answered", 200, 0, None)
    assert told["lastAnswerAt"] >= told["lastSentAt"]
    assert notes(lab) == []
    assert lab.switchboard.keepalive.counts == dict.fromkeys(RESULTS, 0) | {"answered": 4}


def test_it_names_the_server_and_each_one_is_a_request_of_its_own() -> None:
    lab = asking()
    go_on(lab, 40)
    first, second = sent(lab)
    assert first.startswith("OPTIONS sip:back.acme.example:5071;transport=tls SIP/2.0\r\n")
    for name in ("Via", "From", "Call-ID"):
        lines = [next(line for line in text.split("\r\n") if line.startswith(name)) for text in (first, second)]
        assert lines[0] != lines[1]
    assert "CSeq: 1 OPTIONS\r\n" in first
    assert "Contact: <sip:203.0.113.5:5061;transport=tls>\r\n" in first
    assert {entry.call for entry in lab.sbc.told(Kind.MESSAGE)} == {None}


def test_nobody_is_asked_unless_it_is_set() -> None:
    lab = asking(seconds=0.0)
    go_on(lab, 100)
    assert (lab.switchboard.deadline, lab.dialled, lab.switchboard.keepalive.counts) == (None, [], {})


def test_regions_with_an_address_of_their_own_are_asked_too_spread_over_the_interval() -> None:
    differs = {"london": {"return_uri": "sip:+15550100@lon.acme.example"}, "tokyo": {"media_ports": "4000-4009"}}
    lab = asking(Partner("acme", return_uri=ACME.return_uri, by_region=differs), Partner("other"))
    go_on(lab, 1)
    assert [one.host for one in lab.dialled] == ["back.acme.example"]
    go_on(lab, 15)
    assert [(one.host, one.port) for one in lab.dialled] == [("back.acme.example", 5071), ("lon.acme.example", 5061)]
    assert [told["region"] for told in lab.switchboard.keepalive.states("acme")] == [None, "london"]
    assert lab.switchboard.keepalive.states("other") == []


def test_a_dead_partner_is_told_with_its_cure_dialled_again_and_praised_once_it_is_back() -> None:
    lab = asking(failure=refused_by(TlsProblem.UNREACHABLE))
    go_on(lab, 65)
    assert (len(lab.dialled), len(notes(lab)), state(lab)["failures"]) == (3, 3, 3)
    assert state(lab)["result"] == "unreachable"
    assert notes(lab)[0].startswith("OPTIONS to acme at back.acme.example:5071: what was seen of")
    assert len(state(lab)["why"].split(". ")) > 1
    assert lab.switchboard.keepalive.counts["unreachable"] == 3
    lab.failure = None
    go_on(lab, 30)
    assert state(lab) | {"lastSentAt": "", "lastAnswerAt": "", "roundTripMs": 0} == {
        "region": None, "uri": "sip:back.acme.example:5071;transport=tls", "result": "answered", "status": 200,
        "lastSentAt": "", "lastAnswerAt": "", "roundTripMs": 0, "failures": 0, "why": None,
    }  # fmt: skip
    assert notes(lab)[-1] == "back.acme.example answers OPTIONS again, after 3 that failed"


@pytest.mark.parametrize("problem", [TlsProblem.NOT_TLS, TlsProblem.UNTRUSTED_SERVER, TlsProblem.SERVER_WANTS_CERTIFICATE])
def test_a_partner_whose_tls_fails_is_told_as_such(problem: TlsProblem) -> None:
    lab = asking(failure=refused_by(problem))
    go_on(lab, 1)
    assert state(lab)["result"] == "tls"
    assert len(state(lab)["why"]) > 40


def test_a_refusal_is_an_answer_and_a_failure() -> None:
    lab = asking(on_wire=lambda to_back, data: data if to_back else data.replace(b"SIP/2.0 200 OK", b"SIP/2.0 404 Not Found"))
    go_on(lab, 1)
    told = state(lab)
    assert (told["result"], told["status"], told["failures"]) == ("refused", 404, 1)
    assert told["lastAnswerAt"] is not None
    assert told["why"] == "It answered OPTIONS with 404 Not Found. Let it answer 200 to the SBC's address (RFC 3261 section 11.2)."


def test_silence_is_a_failure_after_which_the_connection_is_dialled_anew() -> None:
    lab = asking(on_wire=lambda to_back, data: b"" if to_back else data)
    go_on(lab, 40)
    assert (state(lab)["result"], state(lab)["lastAnswerAt"], len(sent(lab))) == ("unanswered", None, 1)
    assert "is the SIP service up" in state(lab)["why"]
    assert lab.closed == [lab.dialled[0].connection]
    lab.on_wire = lambda to_back, data: data
    go_on(lab, 40)
    assert (len(lab.dialled), state(lab)["result"]) == (2, "answered")


def test_a_connection_that_breaks_before_the_answer_is_told_and_one_that_breaks_after_it_is_dialled_anew() -> None:
    lab = asking(on_wire=lambda to_back, data: b"" if to_back else data)
    go_on(lab, 1)
    lab._took(lab.sbc, lab.switchboard.lost(lab.dialled[0].connection, "reset", lab.now))
    assert (state(lab)["result"], state(lab)["failures"]) == ("lost", 1)
    lab.on_wire = lambda to_back, data: data
    go_on(lab, 31)
    lab._took(lab.sbc, lab.switchboard.lost(lab.dialled[1].connection, "idle", lab.now))
    assert (state(lab)["result"], len(notes(lab))) == ("answered", 2)
    go_on(lab, 31)
    assert (len(lab.dialled), state(lab)["failures"], len(notes(lab))) == (3, 0, 2)


def test_a_connection_that_neither_opens_nor_fails_is_not_dialled_twice() -> None:
    lab = asking(silent=True)
    go_on(lab, 300)
    assert (len(lab.dialled), state(lab)["result"]) == (1, "waiting")


def test_after_the_shutdown_nobody_is_asked() -> None:
    lab = asking()
    go_on(lab, 1)
    lab._took(lab.sbc, lab.switchboard.shutdown(lab.now))
    go_on(lab, 100)
    assert (len(sent(lab)), lab.switchboard.at_rest) == (1, True)


def test_a_call_goes_on_beside_it_and_calls_back_have_a_connection_of_their_own() -> None:
    lab = asking(seconds=1.0)
    call = lab.begin()
    lab.escalate(call)
    lab.go_on(6)
    assert lab.taken.problems == []
    assert len({one.connection for one in lab.dialled}) == len(lab.dialled) == 2
    assert state(lab)["failures"] == 0


def test_ways_are_bounded() -> None:
    many = [Partner(f"p{n}", return_uri=f"sip:p{n}.example") for n in range(MOST_WAYS + 5)]
    assert len(ways_of(many)) == MOST_WAYS
