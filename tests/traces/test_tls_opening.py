"""TLS in traces: what two real OpenSSL ends said comes out as they said it, for each version and suite."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from sbc_sim.traces.reading import read_trace
from sbc_sim.traces.recording import Recording
from sbc_sim.traces.tls_handshake import TLS_1_2, UNREADABLE, client_subject
from tests.support.capture_files import Conversation, pcap
from tests.support.tls_pairs import NO_ENCRYPT_THEN_MAC, TlsPair, TlsServer, certificate, joined

INVITE = b"INVITE sip:100@sbc.example.com SIP/2.0\r\nCall-ID: 1\r\nContent-Length: 0\r\n\r\n"
OK = b"SIP/2.0 200 OK\r\nCall-ID: 1\r\nContent-Length: 0\r\n\r\n"
TALK = ((True, INVITE), (False, OK), (True, INVITE * 600), (False, OK * 600), (True, b"\r\n\r\n"))


def reading(pair: TlsPair, key_log: str | None = None) -> Recording:
    return read_trace(pcap(Conversation().whole(pair.wire)), pair.key_log if key_log is None else key_log)


def heard(recording: Recording, from_client: bool) -> bytes:
    return b"".join(piece.data for piece in recording.octets if piece.from_client == from_client)


def assert_opened(pair: TlsPair, recording: Recording) -> None:
    (flow,) = recording.flows
    assert flow.tls is not None
    assert (flow.tls.decrypted, flow.tls.why_not) == (True, "")
    assert flow.tls.version == pair.version == pair.client.get_protocol_version_name()
    assert flow.tls.cipher == pair.client.get_cipher_name()
    assert flow.tls.server_name == "sbc.example.com"
    assert flow.tls.alert is None
    for from_client in (True, False):
        assert heard(recording, from_client) == joined(pair.said, from_client)
    assert recording.notes == ()


@pytest.mark.parametrize(
    "suite",
    [
        "TLS_AES_128_GCM_SHA256",
        "TLS_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256",
        "TLS_AES_128_CCM_SHA256",
        "TLS_AES_128_CCM_8_SHA256",
    ],
)
def test_tls_1_3_is_opened_under_each_suite(suite: str) -> None:
    pair = TlsPair("TLSv1.3", suite).say(*TALK).close()
    assert pair.client.get_cipher_name() == suite
    assert_opened(pair, reading(pair))


@pytest.mark.parametrize(
    ("suite", "kind"),
    [
        ("ECDHE-ECDSA-AES128-GCM-SHA256", "ec"),
        ("ECDHE-RSA-AES256-GCM-SHA384", "rsa"),
        ("ECDHE-RSA-CHACHA20-POLY1305", "rsa"),
        ("ECDHE-ECDSA-AES128-CCM", "ec"),
        ("ECDHE-ECDSA-AES256-CCM8", "ec"),
        ("AES128-GCM-SHA256", "rsa"),
        ("ECDHE-RSA-AES128-SHA", "rsa"),
        ("ECDHE-RSA-AES128-SHA256", "rsa"),
        ("ECDHE-RSA-AES256-SHA384", "rsa"),
        ("AES256-SHA", "rsa"),
        ("AES256-SHA256", "rsa"),
    ],
)
@pytest.mark.parametrize("options", [0, NO_ENCRYPT_THEN_MAC])
def test_tls_1_2_is_opened_under_each_suite_with_the_mac_inside_or_outside(suite: str, kind: str, options: int) -> None:
    if options and "-SHA" not in suite.replace("-GCM-SHA", ""):
        options = 0
    pair = TlsPair("TLSv1.2", suite, kind, options).say(*TALK).close()
    assert pair.client.get_cipher_name() == suite
    assert_opened(pair, reading(pair))


def test_octets_have_the_time_of_the_packet_that_completed_their_record() -> None:
    pair = TlsPair().say((True, INVITE))
    conversation = Conversation(segment=20, step=1.0)
    recording = read_trace(pcap(conversation.whole(pair.wire)), pair.key_log)
    assert [piece.at for piece in recording.octets] == [conversation.at - 2]  # then two FIN


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_a_resumed_session_is_opened_too(version: str) -> None:
    first = TlsPair(version).say((True, INVITE), (False, OK)).close()
    second = TlsPair(version, resumes=first.client, listening=first.listening).say(*TALK).close()
    assert len(joined(second.wire[:3], False)) < len(joined(first.wire[:3], False)) - 200, "no certificate: it was resumed"
    assert_opened(second, reading(second))


def test_a_hello_retry_request_is_followed() -> None:
    pair = TlsPair("TLSv1.3", listening=TlsServer("TLSv1.3", curve="secp521r1")).say(*TALK)
    assert joined(pair.wire, True).count(b"sbc.example.com") == 2, "two ClientHellos"
    assert_opened(pair, reading(pair))


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_the_subject_of_a_client_certificate_is_told(version: str) -> None:
    pair = TlsPair(version, client_certificate="sbc.partner.example").say(*TALK)
    recording = reading(pair)
    assert recording.flows[0].tls is not None
    assert recording.flows[0].tls.client_certificate == "O=Partner,CN=sbc.partner.example"
    assert_opened(pair, recording)


def certificate_message(der: bytes) -> bytes:
    chain = len(der).to_bytes(3) + der
    return len(chain).to_bytes(3) + chain


def test_a_client_certificate_that_cannot_be_read_is_told_whatever_is_wrong_with_it() -> None:
    der = certificate("sbc.partner.example", "ec")[0].public_bytes(Encoding.DER)
    assert client_subject(certificate_message(der), TLS_1_2) == "O=Partner,CN=sbc.partner.example"
    version = der.index(b"\xa0\x03\x02\x01\x02") + 4
    assert client_subject(certificate_message(der[:version] + b"\7" + der[version + 1 :]), TLS_1_2) == UNREADABLE
    assert client_subject(certificate_message(b"no certificate"), TLS_1_2) == UNREADABLE
    assert client_subject(bytes(3), TLS_1_2) is None
    for place in range(len(der)):
        damaged = der[:place] + bytes((der[place] ^ 0x41,)) + der[place + 1 :]
        assert client_subject(certificate_message(damaged), TLS_1_2) is not None


def test_tls_1_2_shows_the_client_certificate_and_the_alert_without_any_secrets() -> None:
    pair = TlsPair("TLSv1.2", client_certificate="sbc.partner.example", verify=True)
    pair.pump()
    recording = reading(pair, "")
    seen = recording.flows[0].tls
    assert seen is not None
    assert (seen.alert, seen.alert_from_client, seen.decrypted, seen.why_not) == ("unknown_ca", True, False, "")


def test_an_alert_of_tls_1_3_in_clear_is_shown() -> None:
    pair = TlsPair("TLSv1.3", verify=True)
    pair.pump()
    seen = reading(pair, "").flows[0].tls
    assert seen is not None
    assert (seen.alert, seen.alert_from_client) == ("unknown_ca", True)


def test_an_encrypted_alert_of_tls_1_3_is_shown_with_the_secrets_and_hidden_without() -> None:
    pair = TlsPair("TLSv1.3", client_certificate="sbc.partner.example", listening=TlsServer("TLSv1.3", accepts=False))
    pair.pump()
    opened, closed = reading(pair).flows[0].tls, reading(pair, "").flows[0].tls
    assert opened is not None
    assert (opened.alert, opened.alert_from_client, opened.client_certificate) == (
        "unknown_ca",
        False,
        "O=Partner,CN=sbc.partner.example",
    )
    assert closed is not None
    assert (closed.alert, closed.client_certificate) == (None, None)


def test_one_short_record_of_the_client_without_secrets_is_guessed_to_be_an_alert() -> None:
    pair = TlsPair("TLSv1.3")
    pair.pump()
    hello, flight = pair.wire[0], pair.wire[1]
    pair.wire = [hello, flight, (True, bytes.fromhex("140303000101") + b"\x17\x03\x03\x00\x13" + bytes(19))]
    recording = reading(pair, "")
    assert any("probably refused the server's certificate" in note for note in recording.notes)


def test_a_protocol_version_that_is_refused_shows_as_alert() -> None:
    pair = TlsPair("TLSv1.2", listening=TlsServer("TLSv1.3"))
    pair.pump()
    seen = reading(pair).flows[0].tls
    assert seen is not None
    assert (seen.version, seen.alert, seen.alert_from_client) == ("", "protocol_version", False)


def test_without_a_key_log_the_flow_is_there_and_says_why_it_is_closed() -> None:
    pair = TlsPair("TLSv1.3").say(*TALK)
    recording = reading(pair, "")
    seen = recording.flows[0].tls
    assert seen is not None
    assert (seen.version, seen.server_name, seen.decrypted, seen.why_not) == ("TLSv1.3", "sbc.example.com", False, "no key log was given")
    assert recording.octets == ()
    assert any("SSLKEYLOGFILE" in note for note in recording.notes)


def test_a_key_log_of_another_connection_is_told_from_none() -> None:
    pair, other = TlsPair().say(*TALK), TlsPair().say(*TALK)
    seen = reading(pair, other.key_log).flows[0].tls
    assert seen is not None
    assert seen.why_not.startswith("the key log has secrets of 1 connection, but not of this one (client random ")


def test_wrong_secrets_for_the_right_random_say_so() -> None:
    pair = TlsPair().say(*TALK)
    lines = [line.rsplit(" ", 1)[0] + " " + "00" * (len(line.rsplit(" ", 1)[1]) // 2) for line in pair.key_log.splitlines()]
    seen = reading(pair, "\n".join(lines)).flows[0].tls
    assert seen is not None
    assert not seen.decrypted
    assert "does not open: the secrets in the key log are not those of this connection" in seen.why_not


def test_a_key_log_with_traffic_secrets_only_opens_what_was_said() -> None:
    pair = TlsPair().say(*TALK)
    log = "\r\n".join(["# made by a test", "", *(line for line in pair.key_log.splitlines() if "HANDSHAKE" not in line), "nonsense"])
    recording = reading(pair, log)
    assert heard(recording, True) == joined(pair.said, True)
    assert heard(recording, False) == joined(pair.said, False)


def test_a_private_key_in_place_of_a_key_log_is_refused_with_the_cure() -> None:
    recording = reading(TlsPair().say(*TALK), "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n")
    assert any(note.startswith("A private key was given in place of a key log") for note in recording.notes)
    assert not recording.octets


def test_a_suite_that_is_not_decrypted_is_named() -> None:
    pair = TlsPair("TLSv1.2", "ECDHE-ECDSA-CAMELLIA256-SHA384").say(*TALK)
    seen = reading(pair).flows[0].tls
    assert seen is not None
    assert seen.why_not == "ECDHE-ECDSA-CAMELLIA256-SHA384 is not decrypted here"


def test_tls_1_1_is_named_and_not_decrypted() -> None:
    pair = TlsPair("TLSv1.1", "ECDHE-ECDSA-AES128-SHA").say(*TALK)
    seen = reading(pair).flows[0].tls
    assert seen is not None
    assert (seen.version, seen.decrypted) == ("TLSv1.1", False)
    assert "only TLSv1.2 and TLSv1.3" in seen.why_not


def test_renegotiation_ends_the_reading_with_the_reason() -> None:
    pair = TlsPair("TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256").say((True, INVITE))
    pair.client.renegotiate()
    pair.pump()
    recording = reading(pair)
    assert heard(recording, True) == INVITE
    assert recording.flows[0].tls is not None
    assert recording.flows[0].tls.why_not == "the connection was renegotiated, which is not followed"


def test_octets_that_are_missing_end_the_reading_of_that_side_only() -> None:
    pair = TlsPair().say(*TALK)
    frames = Conversation().whole(pair.wire)
    full = [place for place, frame in enumerate(frames) if len(frame.data) > 1400 and frame.data[26:30] == bytes([10, 0, 0, 1])]
    lost = full[len(full) // 2]
    recording = read_trace(pcap([*frames[:lost], *frames[lost + 1 :]]), pair.key_log)
    assert len(INVITE) <= len(heard(recording, True)) < len(joined(pair.said, True))
    assert joined(pair.said, True).startswith(heard(recording, True))
    assert heard(recording, False) == joined(pair.said, False)
    assert recording.flows[0].tls is not None
    assert recording.flows[0].tls.why_not == "octets are missing in the capture, and TLS cannot be read beyond them"


def test_a_capture_that_begins_after_the_handshake_says_so() -> None:
    pair = TlsPair().say(*TALK)
    recording = read_trace(pcap(Conversation().whole(pair.wire)[8:]), pair.key_log)
    assert recording.flows[0].tls is not None
    assert recording.flows[0].tls.why_not.startswith("the capture has no ClientHello")


def test_http_over_tls_is_left_out() -> None:
    pair = TlsPair().say((True, b"GET / HTTP/1.1\r\n\r\n"), (False, b"HTTP/1.1 200 OK\r\n\r\n"))
    recording = reading(pair)
    assert not recording.flows
    assert "1 TLS connections carried HTTP and were left out." in recording.notes
