"""What the simulator enforces where Salesforce is silent: one frozen value, filled from settings."""

from __future__ import annotations

from dataclasses import dataclass

from sbc_sim.sip.uui_facts import UuiExpectation


@dataclass(frozen=True, slots=True)
class SourceList:
    """One list of networks that a source must be on."""

    setting: str
    """By which it is known: ``regions.frankfurt.allow_from``."""
    networks: tuple[str, ...]
    """In CIDR form; empty: nobody."""
    why: str = ""
    """Why nobody is on it, as the end of "Source 192.0.2.1 ..."."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Each field names the setting it comes from. Defaults are the ``published`` profile."""

    profile: str = "published"  # rules.profile

    # sip
    allow_from: tuple[str, ...] = ()  # sip.allow_from: networks in CIDR form; empty = everyone
    source_lists: tuple[
        SourceList, ...
    ] = ()  # regions.NAME.allow_from, partners.NAME.signalling: further lists, each of which must have it
    off_list: str = "403"  # sip.off_list: 403 | 503 | close
    served_users: tuple[str, ...] = ()  # sip.users: empty = any user
    served_users_by: str = "sip.users"  # whose list that is: regions.NAME.numbers goes before it
    served_hosts: tuple[str, ...] = ()  # sip.hosts: empty = any host
    accept_tel: bool = False  # sip.accept_tel
    unknown_method: int = 501  # sip.unknown_method: 501 | 405
    refer: int = 405  # sip.refer: 405 | 603
    max_forwards_zero: str = "accept"  # sip.max_forwards_zero: accept | refuse
    delayed_offer: str = "accept"  # sip.delayed_offer: accept | refuse
    reliable_provisional: bool = True  # sip.reliable_provisional (RFC 3262)
    min_session_expires: int = 90  # sip.min_session_expires, s (RFC 4028)
    caller_number: str = "warn"  # sip.caller_number: warn | ignore
    x_headers: int = 20  # sip.x_headers: most X-headers captured in the profile extended
    x_header_bytes: int = 2048  # sip.x_header_bytes: longest value of one

    # uui
    uui_missing: str = "reject"  # uui.missing: reject | warn
    uui_content: str = "warn"  # uui.content: warn | require
    uui_over_limit: str = "warn"  # uui.over_limit: warn | refuse
    uui_limit: int = 1024  # uui.limit, characters
    uui_limit_scope: str = "value"  # uui.limit_scope: value (the hex digits) | decoded | line
    uui_several: str = "refuse"  # uui.several: refuse | first | first_json
    uui_leading_octet: str = "strip"  # uui.leading_octet: strip | refuse
    uui_encoding: str = "strict"  # uui.encoding: strict (only hex) | lenient (other encodings: warning)
    uui_purpose: str = "optional"  # uui.purpose: optional | required
    uui_x_header: bool = False  # uui.x_header: read X-User-to-User too
    uui_max_depth: int = 8  # uui.max_depth of JSON nesting
    uui_aliases: tuple[tuple[str, str], ...] = (
        ("voiceCallId", "callId"),
        ("callId", "callId"),
        ("vendorCallKey", "vendorCallKey"),
        ("jwt", "jwt"),
        ("token", "jwt"),
        ("accessToken", "jwt"),
    )  # uui.aliases: key in the JSON -> field name
    echo_org: str = "echo-test-org"  # uui.echo_org
    echo_domain: str = "afv-wss-echo:7442"  # uui.echo_domain

    # media
    suites: tuple[str, ...] = (
        "AES_CM_128_HMAC_SHA1_80",
        "AES_CM_128_HMAC_SHA1_32",
        "AEAD_AES_128_GCM",
        "AEAD_AES_256_GCM",
    )  # media.suites
    codecs: tuple[str, ...] = ("PCMU",)  # from the profile: extended adds PCMA
    crypto_in_avp: str = "refuse"  # media.crypto_in_avp: refuse | accept
    ipv6: bool = False  # media.ipv6
    min_ptime: int = 10  # media.min_ptime, ms
    max_ptime: int = 60  # media.max_ptime, ms
    min_packets: int = 50  # media.min_packets: fewer each way and the echo counts as unproved
    max_loss: float = 0.01  # media.max_loss, fraction: more is a warning
    max_jitter_ms: float = 30.0  # media.max_jitter_ms: more is a warning
    max_first_packet_ms: float = 1000.0  # media.max_first_packet_ms after the answer: later is a warning
    max_echo_delay_ms: float = 100.0  # media.max_echo_delay_ms from a packet to its echo: more is a warning
    auth_failure_limit: int = 10  # media.auth_failure_limit: that many and the key is called wrong
    silence_dbfs: float = -55.0  # media.silence_dbfs: audio whose loudest sample or mean is below is silence
    latch: bool = True  # media.latch: send to the real source when it differs from the SDP

    # telephony
    e2e_unknown_call: str = "fail"  # telephony.unknown_call: warn | fail | refuse
    e2e_unknown_org: str = "fail"  # telephony.unknown_org: warn | fail | refuse
    e2e_token: str = "fail"  # telephony.uui_token: warn | fail | refuse
    e2e_domains: tuple[str, ...] = ()  # telephony.scrt2_domains: empty = any host name

    def uui_expectation(self) -> UuiExpectation:
        """Give the settings that reading the User-to-User header needs."""
        return UuiExpectation(
            several=self.uui_several,
            leading_octet=self.uui_leading_octet,
            x_header=self.uui_x_header,
            limit=self.uui_limit,
            limit_scope=self.uui_limit_scope,
            max_depth=self.uui_max_depth,
            aliases=self.uui_aliases,
            echo_org=self.echo_org,
            echo_domain=self.echo_domain,
        )
