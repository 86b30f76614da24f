"""Descriptions to test with: one good offer that tests change line by line, and a partner for each shape seen in the field.

All values are made up; the keys are counted octets.
"""

from __future__ import annotations

import base64

from sbc_sim.sdp.answer import Capabilities, LocalMedia, Negotiation, SdpFault, SdpProblem, negotiate

SHA1_80 = "AES_CM_128_HMAC_SHA1_80"
SHA1_32 = "AES_CM_128_HMAC_SHA1_32"
GCM_128 = "AEAD_AES_128_GCM"
GCM_256 = "AEAD_AES_256_GCM"

DEFAULT = Capabilities(suites=(SHA1_80,))


def key_salt(seed: int = 1, length: int = 30) -> bytes:
    return bytes((seed * 37 + place) % 256 for place in range(length))


def inline(seed: int = 1, length: int = 30) -> str:
    return base64.b64encode(key_salt(seed, length)).decode()


GOOD = (
    "v=0",
    "o=pbx 4711 1 IN IP4 192.0.2.10",
    "s=call",
    "c=IN IP4 192.0.2.10",
    "t=0 0",
    "m=audio 40000 RTP/SAVP 0 8 101",
    "a=rtpmap:0 PCMU/8000",
    "a=rtpmap:8 PCMA/8000",
    "a=rtpmap:101 telephone-event/8000",
    "a=fmtp:101 0-16",
    f"a=crypto:1 {SHA1_80} inline:{inline(1)}",
    "a=ptime:20",
    "a=sendrecv",
)
M_LINE, CRYPTO_LINE = GOOD[5], GOOD[10]


def sdp(*lines: str) -> bytes:
    return "".join(f"{line}\r\n" for line in lines).encode()


def changed(*pairs: tuple[str, str | None], add: tuple[str, ...] = ()) -> bytes:
    """The good offer with lines replaced, or taken out for None, and `add` at its end."""
    lines = dict.fromkeys(GOOD)
    wanted: dict[str, str | None] = {line: line for line in lines}
    for old, new in pairs:
        assert old in wanted, old
        wanted[old] = new
    return sdp(*(line for line in wanted.values() if line is not None), *add)


def with_crypto(*values: str) -> bytes:
    """The good offer with these values in its a=crypto lines, from line 11 on."""
    place = GOOD.index(CRYPTO_LINE)
    return sdp(*GOOD[:place], *(f"a=crypto:{value}" for value in values), *GOOD[place + 1 :])


def read_offer(offer: bytes, capabilities: Capabilities = DEFAULT) -> Negotiation:
    return negotiate(offer, capabilities)


def faults(negotiation: Negotiation) -> list[SdpFault]:
    return [found.fault for found in negotiation.problems]


def fatal_faults(negotiation: Negotiation) -> list[SdpFault]:
    return [found.fault for found in negotiation.problems if found.fatal]


def the_problem(negotiation: Negotiation, fault: SdpFault) -> SdpProblem:
    (found,) = [found for found in negotiation.problems if found.fault is fault]
    return found


def local_media(seed: int = 99, length: int = 30, rtp_port: int = 31000, rtcp_port: int = 31001, host: str = "198.51.100.5") -> LocalMedia:
    return LocalMedia(host, rtp_port, rtcp_port, key_salt(seed, length), session_id=7, version=3)


PARTNERS: dict[str, bytes] = {
    # A softphone that offers its suites weakest last, with rtcp attributes, bandwidth and labels that mean nothing here.
    "baresip": sdp(
        "v=0",
        "o=- 1718021 5512 IN IP4 192.0.2.21",
        "s=-",
        "c=IN IP4 192.0.2.21",
        "t=0 0",
        "a=tool:softphone 4.0",
        "m=audio 21310 RTP/SAVP 0 101",
        "b=AS:125",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-15",
        "a=rtcp:21311",
        "a=rtcp-mux",
        f"a=crypto:1 AES_256_CM_HMAC_SHA1_80 inline:{inline(2, 46)}",
        f"a=crypto:2 {SHA1_80} inline:{inline(3)}",
        f"a=crypto:3 {SHA1_32} inline:{inline(4)}",
        "a=sendrecv",
        "a=label:1",
        "a=ssrc:3020412 cname:sip:alice@192.0.2.21",
        "a=ptime:20",
    ),
    # Four suites, the wanted one third, no rtpmap for the static types, AVPF feedback lines, no ptime, no direction.
    "linphone": sdp(
        "v=0",
        "o=bob 2890 1207 IN IP4 192.0.2.22",
        "s=Talk",
        "c=IN IP4 192.0.2.22",
        "t=0 0",
        "a=rtcp-xr:rcvr-rtt=all:10000 stat-summary=loss,dup,jitt,TTL voip-metrics",
        "a=record:off",
        "m=audio 7078 RTP/SAVPF 96 97 0 8 101 98",
        "a=rtpmap:96 opus/48000/2",
        "a=fmtp:96 useinbandfec=1",
        "a=rtpmap:97 speex/16000",
        "a=rtpmap:101 telephone-event/48000",
        "a=rtpmap:98 telephone-event/8000",
        f"a=crypto:1 {GCM_128} inline:{inline(5, 28)}",
        f"a=crypto:2 AES_CM_256_HMAC_SHA1_80 inline:{inline(6, 46)}",
        f"a=crypto:3 {SHA1_80} inline:{inline(7)}",
        f"a=crypto:4 {SHA1_32} inline:{inline(8)}",
        "a=rtcp-fb:* trr-int 5000",
        "a=rtcp-fb:* ccm tmmbr",
    ),
    # A cloud carrier edge: lifetime in power form, no rtcp-mux, maxptime, one line end style of its own.
    "genesys": sdp(
        "v=0",
        "o=edge 900100200 900100200 IN IP4 203.0.113.40",
        "s=edge",
        "c=IN IP4 203.0.113.40",
        "t=0 0",
        "m=audio 18544 RTP/SAVP 0 101",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-15",
        f"a=crypto:1 {SHA1_80} inline:{inline(9)}|2^31",
        "a=ptime:20",
        "a=maxptime:40",
        "a=sendrecv",
    ).replace(b"\r\n", b"\n"),
    # An enterprise SBC: an MKI on its first line, another line without, gpmd notes.
    "audiocodes": sdp(
        "v=0",
        "o=- 1290012 77210 IN IP4 203.0.113.50",
        "s=SBC-Call",
        "c=IN IP4 203.0.113.50",
        "t=0 0",
        "m=audio 6020 RTP/SAVP 8 0 96",
        "c=IN IP4 203.0.113.51",
        "a=ptime:20",
        "a=sendrecv",
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:96 telephone-event/8000",
        "a=fmtp:96 0-15",
        "a=gpmd:8 vbd=yes",
        f"a=crypto:1 {SHA1_80} inline:{inline(10)}|2^31|1:1",
        f"a=crypto:2 {SHA1_80} inline:{inline(11)}|2^31",
    ),
    # An open source PBX: maxptime large, several dynamic formats.
    "asterisk": sdp(
        "v=0",
        "o=- 512400 512400 IN IP4 192.0.2.60",
        "s=PBX",
        "c=IN IP4 192.0.2.60",
        "t=0 0",
        "m=audio 12876 RTP/SAVP 107 0 9 101",
        "a=rtpmap:107 opus/48000/2",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:9 G722/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-16",
        "a=ptime:20",
        "a=maxptime:150",
        "a=sendrecv",
        f"a=crypto:1 {SHA1_80} inline:{inline(12)}",
    ),
    # A switch that offers secured and clear audio side by side, with explicit RTCP ports.
    "freeswitch": sdp(
        "v=0",
        "o=switch 1700000001 1700000002 IN IP4 192.0.2.70",
        "s=switch",
        "c=IN IP4 192.0.2.70",
        "t=0 0",
        "m=audio 30002 RTP/AVP 0 101 13",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=rtpmap:13 CN/8000",
        "a=ptime:20",
        "m=audio 30002 RTP/SAVP 0 101 13",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-16",
        "a=rtpmap:13 CN/8000",
        f"a=crypto:1 {GCM_256} inline:{inline(13, 44)}",
        f"a=crypto:2 {SHA1_80} inline:{inline(14)}",
        "a=rtcp:30003 IN IP4 192.0.2.71",
        "a=ptime:20",
    ),
    # A router that is an SBC: direction in the session part, address in the media part, blanks at line ends.
    "cube": sdp(
        "v=0",
        "o=SIPUserAgent 1234 5678 IN IP4 198.51.100.80",
        "s=SIP Call",
        "c=IN IP4 198.51.100.80",
        "t=0 0",
        "a=sendrecv ",
        "m=audio 16390 RTP/SAVP 0 101 ",
        "c=IN IP4 198.51.100.80",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-15",
        f"a=crypto:1 {SHA1_80} inline:{inline(15)}",
        f"a=crypto:2 {SHA1_32} inline:{inline(16)}",
    ),
    # A test client: bandwidth modifiers, ICE candidates beside SDES, several clock rates of telephone-event, ssrc lines.
    "pjsua": sdp(
        "v=0",
        "o=- 3900000001 3900000001 IN IP4 192.0.2.90",
        "s=media",
        "b=AS:84",
        "t=0 0",
        "a=X-nat:0",
        "m=audio 4000 RTP/SAVP 96 0 120 121",
        "c=IN IP4 192.0.2.90",
        "b=TIAS:64000",
        "a=rtcp:4001 IN IP4 192.0.2.90",
        "a=sendrecv",
        "a=rtpmap:96 speex/16000",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:120 telephone-event/16000",
        "a=fmtp:120 0-16",
        "a=rtpmap:121 telephone-event/8000",
        "a=fmtp:121 0-16",
        "a=ssrc:191919 cname:72a1",
        "a=ice-ufrag:5c1d",
        "a=ice-pwd:0b9d7e",
        "a=candidate:H1 1 UDP 2130706431 192.0.2.90 4000 typ host",
        f"a=crypto:1 {GCM_256} inline:{inline(17, 44)}",
        f"a=crypto:2 AES_256_CM_HMAC_SHA1_80 inline:{inline(18, 46)}",
        f"a=crypto:3 {SHA1_80} inline:{inline(19)}",
        f"a=crypto:4 {SHA1_32} inline:{inline(20)}",
    ),
}
