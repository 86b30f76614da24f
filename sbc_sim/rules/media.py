"""Media: what the report of the media plane proves about the echo, and what was wrong on the way (requirements 92-102).

A call that was too short to prove anything is not called broken: its rules are skipped or left undecided, but for the echo itself,
which warns, for a call that proved nothing does not pass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sbc_sim.rtp.leg import Direction, LegDescription, LegReport
from sbc_sim.rules.evidence import Evidence
from sbc_sim.rules.finding import Finding, Quote
from sbc_sim.rules.outcome import failed, passed, skipped, undecided, warned
from sbc_sim.rules.policy import Policy
from sbc_sim.sip.uri import host_port

SHORTEST_S = 1.0
"""A shorter talk proves nothing."""
RTCP_PATIENCE_S = 12.0
"""RTCP comes at least every 5 s on average (RFC 3550 section 6.2); two chances and some slack."""
NOTHING_HEARD = 0.95
"""Fraction lost by the partner's RTCP from which on it hears nothing."""
IN_FLIGHT = 25
"""Packets that may arrive against the direction, or under an old key, around a change: half a second."""
TAG_OCTETS = {"AES_CM_128_HMAC_SHA1_80": 10, "AES_CM_128_HMAC_SHA1_32": 4, "AEAD_AES_128_GCM": 16, "AEAD_AES_256_GCM": 16}
"""Length of the authentication tag by suite (RFC 4568 section 6.2, RFC 7714 section 13)."""
DISORDER = 0.01
SHORTEST_DIGIT_MS = 40
NOISE = 10
"""Datagrams of another kind that are told as a note only."""
PLAIN_RTCP_NOTE = 3
"""Clear RTCP that opens a firewall at the start is common; so many are a note."""


@dataclass(frozen=True, slots=True)
class Talk:
    """The media of one call, with what is needed to judge it."""

    report: LegReport
    leg: LegDescription | None
    policy: Policy
    evidence: Evidence
    seconds: float | None
    """Time from answer to end without hold; None when not known."""

    @property
    def short(self) -> bool:
        """True when the talk was too short to prove anything."""
        return self.seconds is not None and self.seconds < SHORTEST_S

    @property
    def with_agent(self) -> bool:
        """True when an agent answered, which says what it has to say and echoes nothing."""
        return self.leg is not None and self.leg.conduct.kind == "agent"

    @property
    def nothing_arrived(self) -> bool:
        """True when not one datagram of media came, of whatever kind."""
        report = self.report
        return not (
            report.packets_received or report.auth_failures or report.old_key or report.plain_rtp or report.replayed or report.wrong_payload
        )


Judge = Callable[[Talk], Finding]


def judge(evidence: Evidence, policy: Policy) -> list[Finding]:
    """Judge the media of a call: SRTP as it arrived, then the echo."""
    if evidence.report is None or evidence.answered_at is None:
        why = "The call was not answered." if evidence.answered_at is None else "Media was never started."
        return [skipped(rule, why) for rule in JUDGES]
    talk = Talk(evidence.report, evidence.leg, policy, evidence, talk_seconds(evidence))
    return [decide(talk) for decide in JUDGES.values()]


def talk_seconds(evidence: Evidence) -> float | None:
    """Give the seconds from answer to end, hold left out; None when the end is not known."""
    if evidence.answered_at is None or evidence.ended_at is None:
        return None
    return max(0.0, evidence.ended_at - evidence.answered_at - evidence.held_s)


def _seen(text: str) -> Quote:
    return Quote(text, "RTP", None, "media")


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


# --- SRTP as it arrived ----------------------------------------------------------------------------------------------------------


def _key(talk: Talk) -> Finding:
    rule, report = "SBC-SRTP-009", talk.report
    suite = talk.leg.receive_key.suite if talk.leg else "the agreed suite"
    if talk.nothing_arrived:
        return skipped(rule, "No media arrived.")
    old = f" {report.old_key} came under the key that a re-INVITE had replaced." if report.old_key else ""
    if report.auth_failures < talk.policy.auth_failure_limit:
        if report.old_key > IN_FLIGHT:
            detail = f"The partner went on with a replaced key: {report.old_key} packets came under the key from before a re-INVITE."
            return warned(rule, detail, _seen(f"packets under the old key {report.old_key}"))
        return passed(rule, f"{report.packets_received} packets authenticated with {suite}, {report.auth_failures} failed.{old}")
    detail = f"{report.auth_failures} SRTP packets failed authentication with {suite}, {report.packets_received} passed.{old}"
    shown = _seen(f"authentication failures {report.auth_failures}")
    if _share(report.auth_failures, report.packets_received + report.auth_failures) > 0.1:
        return failed(rule, f"{detail} {_why_no_key(talk)}", shown)
    return warned(rule, detail, shown)


def _why_no_key(talk: Talk) -> str:
    """Tell a wrong suite from a wrong key by the length of the tags that did not fit."""
    tag = talk.report.failed_tag_octets
    if tag is None or talk.leg is None:
        return "Wrong key or wrong suite."
    agreed = talk.leg.receive_key.suite
    if tag != TAG_OCTETS[agreed]:
        others = " or ".join(suite for suite, octets in TAG_OCTETS.items() if octets == tag)
        return f"Wrong suite: the tags have {tag} octets, as with {others}."
    twins = [suite for suite, octets in TAG_OCTETS.items() if octets == tag and suite != agreed]
    return f"Wrong key: the tags have the {tag} octets of {agreed}{f' (and of {twins[0]})' if twins else ''}."


def _encrypted(talk: Talk) -> Finding:
    rule, report = "SBC-SRTP-010", talk.report
    if talk.nothing_arrived:
        return skipped(rule, "No media arrived.")
    if not report.plain_rtp:
        return passed(rule, "No clear RTP arrived.")
    detail = f"{report.plain_rtp} packets of clear RTP arrived and were dropped; {report.packets_received} packets were SRTP."
    tell = failed if report.plain_rtp > NOISE or not report.packets_received else warned
    return tell(rule, detail, _seen(f"clear RTP packets {report.plain_rtp}"))


def _srtcp(talk: Talk) -> Finding:
    rule, report = "SBC-SRTP-011", talk.report
    bad = report.rtcp_plain + report.rtcp_auth_failures
    if not bad:
        return passed(rule, f"{report.rtcp_received} SRTCP packets.") if report.rtcp_received else skipped(rule, "No RTCP arrived.")
    detail = f"RTCP: {report.rtcp_plain} clear, {report.rtcp_auth_failures} with a wrong tag, {report.rtcp_received} in order."
    if not report.rtcp_auth_failures and report.rtcp_plain <= PLAIN_RTCP_NOTE:
        dropped = "1 clear RTCP packet was" if report.rtcp_plain == 1 else f"{report.rtcp_plain} clear RTCP packets were"
        if not report.rtcp_received:
            return undecided(rule, f"{dropped} dropped, and no SRTCP came: too few to tell whether all of it is clear.")
        return passed(rule, f"{dropped} dropped beside {report.rtcp_received} protected ones: so few are a note only.")
    return warned(rule, detail, Quote(f"clear {report.rtcp_plain}, wrong tag {report.rtcp_auth_failures}", "RTCP", None, "media"))


def _replay(talk: Talk) -> Finding:
    rule, report = "SBC-SRTP-012", talk.report
    if _share(report.replayed, report.packets_received) > DISORDER:
        return warned(rule, f"{report.replayed} packets were replays and were dropped.", _seen(f"replayed {report.replayed}"))
    return passed(rule, f"{report.replayed} replayed packets.")


# --- the echo --------------------------------------------------------------------------------------------------------------------


def _echo(talk: Talk) -> Finding:
    rule, report, wanted = "SBC-MEDIA-001", talk.report, talk.policy.min_packets
    if talk.with_agent:
        return skipped(rule, "An agent answered, which echoes nothing: see SBC-MEDIA-021.")
    counts = f"{report.packets_received} packets in, {report.echoed_packets} echoed, {report.packets_sent} sent"
    if min(report.packets_received, report.echoed_packets) >= wanted:
        return passed(rule, f"{counts} (at least {wanted} each way are wanted).")
    if talk.seconds is not None and talk.seconds < _needed_seconds(talk):
        lasted = f"The call lasted {talk.seconds:.1f} s{' without its hold' if talk.evidence.held_s else ''}"
        detail = f"{lasted}: too short to prove the echo; at least {wanted} packets each way are wanted."
        return warned(rule, detail, _seen(counts))
    if _not_meant(talk):
        return skipped(rule, "The call was on hold.")
    if _too_little(talk):
        over = "" if talk.seconds is None else f" in {talk.seconds:.1f} s"
        came = f"{report.packets_received} packets came{over}, all were echoed"
        return warned(rule, f"Too short to prove the echo: {came}; at least {wanted} are wanted.", _seen(counts))
    return failed(rule, f"Not proved: {counts}; at least {wanted} each way are wanted.{_reason(talk)}", _seen(counts))


def _needed_seconds(talk: Talk) -> float:
    """Seconds in which the wanted number of packets can come, with half a second to begin."""
    packet_ms = talk.report.packet_ms or (talk.leg.ptime_ms if talk.leg else 20)
    return talk.policy.min_packets * packet_ms / 1000 + 0.5


def _too_little(talk: Talk) -> bool:
    """True when nothing is wrong but the number: all that came was echoed, and it had not much more time than it needed to come."""
    first, ended = talk.report.first_packet_at, talk.evidence.ended_at
    if first is None or ended is None or not _all_echoed(talk.report):
        return False
    return min(ended - first, talk.seconds or 0.0) < 2 * _needed_seconds(talk)


def _all_echoed(report: LegReport) -> bool:
    """True when what came was echoed, and no more was lost or dropped than came. Digits and comfort noise are never echoed."""
    audio = report.packets_received - report.comfort_noise - sum(count for kind, count in report.payload_types if kind > 95)
    dropped = report.auth_failures + report.old_key + report.plain_rtp + report.replayed + report.wrong_payload + max(report.lost, 0)
    return report.packets_received > dropped and report.echoed_packets >= max(audio, 1)


def _not_meant(talk: Talk) -> bool:
    """True when the session ended on hold and had hardly been off it."""
    held = talk.leg is not None and talk.leg.direction is not Direction.SENDRECV
    return held and talk.evidence.held_s > 0 and (talk.seconds or 0.0) < _needed_seconds(talk) + SHORTEST_S


def _reason(talk: Talk) -> str:
    report = talk.report
    if why := _why_nothing_is_heard(talk):
        return why
    if report.packets_received > 2 * report.echoed_packets:
        return " Audio was not sent back: see SBC-MEDIA-003."
    return " All that came was echoed: the partner sent too little, or stopped." if _all_echoed(report) else ""


def _why_nothing_is_heard(talk: Talk) -> str:
    """Name the rule that says why the partner's audio was not taken; empty when it was."""
    report = talk.report
    if report.plain_rtp > report.packets_received:
        return " Clear RTP came instead of SRTP: see SBC-SRTP-010."
    if report.auth_failures + report.old_key > report.packets_received:
        return " The SRTP key is wrong: see SBC-SRTP-009."
    if report.wrong_payload > report.packets_received // 2:
        return " Another payload type came: see SBC-MEDIA-011."
    if talk.nothing_arrived:
        return " Nothing arrived: see SBC-MEDIA-002."
    return ""


def _arrives(talk: Talk) -> Finding:
    rule, report = "SBC-MEDIA-002", talk.report
    if not talk.nothing_arrived:
        return passed(rule, f"Media arrived: {report.packets_received} packets were taken.")
    if talk.short or _not_meant(talk):
        return undecided(rule, "No packet arrived, but there was hardly time for one.")
    others = {"STUN": report.stun, "DTLS": report.dtls, "RTCP": report.rtcp_received}
    other = f" ({', '.join(f'{count} {name}' for name, count in others.items())})" if any(others.values()) else ""
    expected = f" from {host_port(*talk.leg.remote)}" if talk.leg else ""
    return failed(rule, f"Not one RTP packet arrived{expected}{other}.", _seen("packets received 0"))


def _returns(talk: Talk) -> Finding:
    rule, report = "SBC-MEDIA-003", talk.report
    if not report.packets_received and not talk.with_agent:
        return skipped(rule, "There was nothing to echo.")
    if talk.leg is not None and talk.leg.direction in (Direction.RECVONLY, Direction.INACTIVE) and not report.packets_sent:
        return skipped(rule, f"The session is {talk.leg.direction.value} on our side: the partner did not ask for media.")
    errors = f" {report.send_errors} packets could not be sent." if report.send_errors else ""
    if not report.packets_sent:
        if talk.with_agent and talk.short:
            return undecided(rule, "The agent sent nothing, but there was hardly time for it.")
        return failed(rule, f"{report.packets_received} packets came in, none was sent back.{errors}", _seen("packets sent 0"))
    if _share(report.send_errors, report.packets_sent + report.send_errors) > talk.policy.max_loss:
        return warned(rule, f"{report.packets_sent} packets were sent.{errors}", _seen(f"send errors {report.send_errors}"))
    echo = "by the agent: prompts, and silence in between" if talk.with_agent else f"{report.echoed_packets} of them echo"
    return passed(rule, f"{report.packets_sent} packets were sent, {echo}.")


def _heard(talk: Talk) -> Finding:
    rule, report = "SBC-MEDIA-004", talk.report
    lost = report.peer_fraction_lost
    if not report.packets_sent:
        return skipped(rule, "Nothing was sent.")
    if lost is None:
        return _unheard(talk)
    detail = f"By its RTCP the partner lost {lost:.0%} of our packets"
    shown = Quote(f"fraction lost {lost:.3f}", "RTCP", None, "media")
    if lost >= NOTHING_HEARD:
        return failed(rule, f"{detail}: it hears nothing.", shown)
    if lost > talk.policy.max_loss:
        return warned(rule, f"{detail} (at most {talk.policy.max_loss:.0%} is fine).", shown)
    trip = "" if report.round_trip_ms is None else f", round trip {report.round_trip_ms:.0f} ms"
    return passed(rule, f"{detail}{trip}.")


def _unheard(talk: Talk) -> Finding:
    rule, report = "SBC-MEDIA-004", talk.report
    if report.rtcp_received >= 2 and talk.seconds is not None and talk.seconds >= RTCP_PATIENCE_S:
        detail = f"{report.rtcp_received} RTCP packets of the partner hold no report about our stream: it may be hearing nothing."
        return warned(rule, detail, Quote("no report block", "RTCP", None, "media"))
    return undecided(rule, "The partner's RTCP has not reported about our stream.")


def _sound(talk: Talk) -> Finding:
    rule, report, silence = "SBC-MEDIA-005", talk.report, talk.policy.silence_dbfs
    if report.audio_packets < talk.policy.min_packets:
        return skipped(rule, "Too little audio to tell silence from speech.")
    level, peak = report.level_dbfs, report.peak_dbfs
    if level is None or peak is None:
        return skipped(rule, "The level of the audio is not known.")
    detail = f"The loudest sample has {peak:.1f} dBFS, the mean level is {level:.1f} dBFS"
    if peak >= silence and level >= silence:
        return passed(rule, f"{detail} (silence is below {silence:g} dBFS).")
    which = "Both are" if peak < silence else "The mean is"
    return warned(rule, f"{detail}. {which} below {silence:g} dBFS (media.silence_dbfs).", _seen(f"peak {peak:.1f}, mean {level:.1f} dBFS"))


# --- quality ---------------------------------------------------------------------------------------------------------------------


def _loss(talk: Talk) -> Finding:
    rule, report = "SBC-MEDIA-006", talk.report
    if report.expected < talk.policy.min_packets:
        return skipped(rule, "Too few packets to tell loss.")
    share = _share(max(report.lost, 0), report.expected)
    detail = f"{report.lost} of {report.expected} packets were lost ({share:.1%}; at most {talk.policy.max_loss:.1%} is fine)."
    return warned(rule, detail, _seen(f"lost {report.lost}")) if share > talk.policy.max_loss else passed(rule, detail)


def _jitter(talk: Talk) -> Finding:
    rule, report, limit = "SBC-MEDIA-007", talk.report, talk.policy.max_jitter_ms
    if report.packets_received < talk.policy.min_packets:
        return skipped(rule, "Too few packets to tell jitter.")
    detail = f"Jitter {report.jitter_ms:.1f} ms, at most {report.max_jitter_ms:.1f} ms (up to {limit:.0f} ms is fine)."
    # A single peak comes with DTMF or a resume; twice the limit does not.
    high = report.jitter_ms > limit or report.max_jitter_ms > 2 * limit
    return warned(rule, detail + _ours(talk), _seen(f"jitter {report.max_jitter_ms:.1f} ms")) if high else passed(rule, detail)


def _first_packet(talk: Talk) -> Finding:
    rule, limit = "SBC-MEDIA-008", talk.policy.max_first_packet_ms
    if talk.report.first_packet_at is None or talk.evidence.answered_at is None:
        return skipped(rule, "No packet arrived.")
    late = max(0.0, (talk.report.first_packet_at - talk.evidence.answered_at) * 1000)
    detail = f"The first packet came {late:.0f} ms after the answer (up to {limit:.0f} ms is fine)."
    return warned(rule, detail + _ours(talk), _seen(f"first packet after {late:.0f} ms")) if late > limit else passed(rule, detail)


def _source(talk: Talk) -> Finding:
    rule, report = "SBC-MEDIA-009", talk.report
    if report.remote is None or talk.leg is None:
        return skipped(rule, "No media arrived.")
    real, told = _address(report.remote), _address(talk.leg.remote)
    if real != told and talk.leg.remote[0] not in ("0.0.0.0", "::"):
        where = "our media goes there too (media.latch)" if talk.leg.latch else "our media goes to the address of the SDP"
        return warned(rule, f"Media comes from {real}, the SDP says {told}; {where}.", _seen(real))
    if report.stray:
        return warned(rule, f"{report.stray} packets came from another source than {real}.", _seen(f"stray {report.stray}"))
    return passed(rule, f"Media comes from {real}.")


def _address(address: tuple[str, int]) -> str:
    return f"{address[0]}:{address[1]}"


def _packet_time(talk: Talk) -> Finding:
    rule, packet_ms, policy = "SBC-MEDIA-010", talk.report.packet_ms, talk.policy
    if packet_ms is None:
        return skipped(rule, "No audio arrived.")
    detail = f"Packets of {packet_ms:g} ms ({policy.min_ptime} to {policy.max_ptime} ms are fine)."
    if policy.min_ptime <= packet_ms <= policy.max_ptime:
        return passed(rule, detail)
    return warned(rule, detail, _seen(f"packet time {packet_ms:g} ms"))


def _payload(talk: Talk) -> Finding:
    rule, report = "SBC-MEDIA-011", talk.report
    wrong = report.wrong_payload
    if not wrong:
        agreed = f"payload type {talk.leg.payload_type} ({talk.leg.codec})" if talk.leg else "the agreed payload type"
        return passed(rule, f"All packets carry {agreed}.") if report.packets_received else skipped(rule, "No media arrived.")
    seen = ", ".join(f"{number}: {count}" for number, count in report.payload_types[:6])
    detail = f"{wrong} packets carry another payload type than agreed (seen {seen or 'none recorded'})."
    tell = failed if wrong > report.packets_received // 2 else warned
    return tell(rule, detail, _seen(f"payload types {seen}"))


def _rtcp(talk: Talk) -> Finding:
    rule, report = "SBC-MEDIA-012", talk.report
    if report.rtcp_received:
        return passed(rule, f"{report.rtcp_received} RTCP packets{f' of {report.peer_cname}' if report.peer_cname else ''}.")
    if talk.seconds is None or talk.seconds < RTCP_PATIENCE_S:
        return undecided(rule, f"No RTCP came; a call of less than {RTCP_PATIENCE_S:.0f} s is too short to miss it.")
    return warned(rule, f"No RTCP came in {talk.seconds:.0f} s.", Quote("RTCP received 0", "RTCP", None, "media"))


def _hold(talk: Talk) -> Finding:
    rule, unwanted = "SBC-MEDIA-013", talk.report.unwanted_while_held
    if unwanted > IN_FLIGHT:
        return warned(rule, f"{unwanted} packets came although the session forbade them.", _seen(f"while on hold {unwanted}"))
    if not talk.evidence.held_s:
        return skipped(rule, "The call was not on hold.")
    return passed(rule, f"{talk.evidence.held_s:.0f} s on hold, {unwanted} packets came then.")


def _ssrc(talk: Talk) -> Finding:
    rule, report = "SBC-MEDIA-014", talk.report
    offers = 1 + talk.evidence.methods.get("INVITE", 0) + talk.evidence.methods.get("UPDATE", 0)
    if not report.ssrcs:
        return skipped(rule, "No media arrived.")
    detail = f"{report.ssrcs} SSRC in {offers} offer{'s' if offers > 1 else ''}."
    return warned(rule, detail, _seen(f"SSRCs {report.ssrcs}")) if report.ssrcs > offers else passed(rule, detail)


def _dtmf(talk: Talk) -> Finding:
    rule, digits = "SBC-MEDIA-015", talk.report.dtmf
    if not digits:
        return skipped(rule, "No DTMF was sent.")
    durations = [event.duration_ms for event in digits]
    detail = f"Digits {''.join(event.digit for event in digits)}, {min(durations)} to {max(durations)} ms."
    short = [event for event in digits if event.duration_ms < SHORTEST_DIGIT_MS]
    return warned(rule, detail, _seen(f"{short[0].digit}: {short[0].duration_ms} ms")) if short else passed(rule, detail)


def _noise(talk: Talk) -> Finding:
    rule, odd = "SBC-MEDIA-016", talk.report.malformed
    if odd > NOISE:
        return warned(rule, f"{odd} datagrams were neither RTP, RTCP, STUN nor DTLS.", _seen(f"malformed {odd}"))
    return passed(rule, f"{odd} datagrams of no known kind.")


def _dtls(talk: Talk) -> Finding:
    rule, dtls = "SBC-MEDIA-017", talk.report.dtls
    return warned(rule, f"{dtls} DTLS datagrams arrived.", _seen(f"DTLS {dtls}")) if dtls else passed(rule, "No DTLS arrived.")


def _goes_on(talk: Talk) -> Finding:
    rule = "SBC-MEDIA-018"
    if talk.evidence.end_reason != "media-timeout":
        return passed(rule, "The call did not end for want of media.")
    last = talk.report.last_packet_at
    since = "" if last is None or talk.evidence.ended_at is None else f" The last packet came {talk.evidence.ended_at - last:.0f} s before."
    return failed(rule, f"No media came for too long, so the call was ended with BYE.{since}", _seen("media timeout"))


def _order(talk: Talk) -> Finding:
    rule, report = "SBC-MEDIA-019", talk.report
    if report.packets_received < talk.policy.min_packets:
        return skipped(rule, "Too few packets to tell.")
    detail = f"{report.reordered} packets out of order, {report.duplicates} twice, of {report.packets_received}."
    odd = _share(report.reordered + report.duplicates, report.packets_received) > DISORDER
    return warned(rule, detail, _seen(f"reordered {report.reordered}")) if odd else passed(rule, detail)


def _ours(talk: Talk) -> str:
    """Say where the simulator was late itself, so that what came late may be its own doing."""
    delay, limit = talk.report.max_echo_delay_ms, talk.policy.max_echo_delay_ms
    if delay is None or delay <= limit:
        return ""
    return f" The simulator was overloaded (SBC-MEDIA-020: {delay:.1f} ms), so this may be its own delay, not the partner's."


def _delay(talk: Talk) -> Finding:
    rule, delay, limit = "SBC-MEDIA-020", talk.report.max_echo_delay_ms, talk.policy.max_echo_delay_ms
    if delay is None:
        return skipped(rule, "Nothing was echoed.")
    detail = f"The slowest echo left {delay:.1f} ms after its packet came (up to {limit:g} ms is fine)."
    if delay <= limit:
        return passed(rule, detail)
    return warned(rule, f"{detail} The simulator was overloaded; the partner is not at fault.", _seen(f"echo delay {delay:.1f} ms"))


def _conversation(talk: Talk) -> Finding:
    rule, report, wanted = "SBC-MEDIA-021", talk.report, talk.policy.min_packets
    if not talk.with_agent:
        return skipped(rule, "No agent answered: see SBC-MEDIA-001 for the echo.")
    counts = f"{report.packets_received} packets from the partner, {report.packets_sent} from the agent"
    if min(report.packets_received, report.packets_sent) >= wanted:
        return passed(rule, f"{counts} (at least {wanted} each way are wanted).")
    if talk.seconds is not None and talk.seconds < _needed_seconds(talk):
        return undecided(rule, f"{counts} in {talk.seconds:.1f} s: too short to tell.")
    if _not_meant(talk):
        return skipped(rule, "The call was on hold.")
    return failed(rule, f"{counts}; at least {wanted} each way are wanted.{_why_nothing_is_heard(talk)}", _seen(counts))


JUDGES: dict[str, Judge] = {
    "SBC-SRTP-009": _key,
    "SBC-SRTP-010": _encrypted,
    "SBC-SRTP-011": _srtcp,
    "SBC-SRTP-012": _replay,
    "SBC-MEDIA-001": _echo,
    "SBC-MEDIA-002": _arrives,
    "SBC-MEDIA-003": _returns,
    "SBC-MEDIA-004": _heard,
    "SBC-MEDIA-005": _sound,
    "SBC-MEDIA-006": _loss,
    "SBC-MEDIA-007": _jitter,
    "SBC-MEDIA-008": _first_packet,
    "SBC-MEDIA-009": _source,
    "SBC-MEDIA-010": _packet_time,
    "SBC-MEDIA-011": _payload,
    "SBC-MEDIA-012": _rtcp,
    "SBC-MEDIA-013": _hold,
    "SBC-MEDIA-014": _ssrc,
    "SBC-MEDIA-015": _dtmf,
    "SBC-MEDIA-016": _noise,
    "SBC-MEDIA-017": _dtls,
    "SBC-MEDIA-018": _goes_on,
    "SBC-MEDIA-019": _order,
    "SBC-MEDIA-020": _delay,
    "SBC-MEDIA-021": _conversation,
}
"""One judge for each rule of the area."""
