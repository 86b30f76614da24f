"""TLS alerts: what each one of RFC 8446 section 6 means on a SIP trunk, and which rule it belongs to.

The meaning is told from the point of view of an engineer who sees the alert in the attempts list: what the side that sent it
found wrong. Reserved names are those that only older TLS versions send.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert."""

    code: int
    rule: str
    """The rule that explains it best."""
    meaning: str
    """What the sender of the alert found."""
    advice: str
    """What to do at the partner's when the partner sent it."""


_CERTIFICATE_LOG = "The partner's TLS log names the check that failed; openssl s_client -verify_return_error with the same CA shows it too."

ALERTS: dict[str, Alert] = {
    "close_notify": Alert(
        0, "SBC-TLS-009", "the sender closed the connection in order", "Nothing, if the partner meant to close; health checks do this."
    ),
    "unexpected_message": Alert(
        10, "SBC-TLS-011", "a handshake message came out of order", "Look for a device that terminates or inspects TLS on the way."
    ),
    "bad_record_mac": Alert(
        20, "SBC-TLS-011", "a record failed its integrity check", "Look for a device on the way that changes the octets of the connection."
    ),
    "decryption_failed_RESERVED": Alert(
        21, "SBC-TLS-011", "a record could not be decrypted (before TLS 1.1)", "Update the partner's TLS stack."
    ),
    "record_overflow": Alert(
        22, "SBC-TLS-011", "a record was longer than TLS allows", "Look for something other than TLS on the connection."
    ),
    "decompression_failure_RESERVED": Alert(30, "SBC-TLS-011", "compressed data was broken (old TLS)", "Switch TLS compression off."),
    "handshake_failure": Alert(
        40,
        "SBC-TLS-005",
        "no acceptable set of parameters: cipher suite, group or signature algorithm, or in TLS 1.2 a missing client certificate",
        "Allow ECDHE suites with AES-GCM; if a client certificate is demanded, switch that off.",
    ),
    "no_certificate_RESERVED": Alert(41, "SBC-TLS-003", "no certificate is available (SSL 3)", "Allow TLS 1.2 or 1.3."),
    "bad_certificate": Alert(42, "SBC-TLS-007", "the certificate is corrupt or its signature does not verify", _CERTIFICATE_LOG),
    "unsupported_certificate": Alert(
        43, "SBC-TLS-007", "the certificate has a type or purpose that is not accepted", "Accept certificates with the purpose serverAuth."
    ),
    "certificate_revoked": Alert(44, "SBC-TLS-007", "the issuer has revoked the certificate", "Check the revocation list that is used."),
    "certificate_expired": Alert(
        45,
        "SBC-TLS-007",
        "the certificate has expired or is not valid yet",
        "Set the clock of the partner's machine; sbc-sim tls show tells until when our certificate is valid.",
    ),
    "certificate_unknown": Alert(
        46,
        "SBC-TLS-007",
        "the certificate was refused for an unnamed reason; Java and .NET stacks send it for an untrusted CA or a wrong name too",
        "Import our CA, and dial a name that stands in the certificate.",
    ),
    "illegal_parameter": Alert(
        47, "SBC-TLS-011", "a handshake field had a value that is out of range or contradicts another", "Update the partner's TLS stack."
    ),
    "unknown_ca": Alert(
        48,
        "SBC-TLS-006",
        "the chain does not lead to a CA that the sender trusts",
        "Import our CA (sbc-sim tls ca) into the trust store of this trunk.",
    ),
    "access_denied": Alert(
        49, "SBC-TLS-003", "the certificate is valid but its owner has no access", "Look at the access rules of the side that sent it."
    ),
    "decode_error": Alert(
        50, "SBC-TLS-011", "a message could not be decoded: wrong length or cut", "Look for a middlebox that changes TLS handshakes."
    ),
    "decrypt_error": Alert(
        51, "SBC-TLS-011", "a handshake signature or Finished message did not verify", "Look for TLS inspection between both sides."
    ),
    "export_restriction_RESERVED": Alert(60, "SBC-TLS-005", "export ciphers were asked for (old TLS)", "Allow TLS 1.2 or 1.3."),
    "protocol_version": Alert(
        70, "SBC-TLS-004", "no TLS version in common", "Allow TLS 1.2 and TLS 1.3 on the trunk; do not pin TLS 1.0 or 1.1."
    ),
    "insufficient_security": Alert(
        71, "SBC-TLS-005", "the ciphers offered are weaker than the sender demands", "Allow ECDHE suites with AES-GCM or ChaCha20-Poly1305."
    ),
    "internal_error": Alert(80, "SBC-TLS-011", "the sender failed for a reason of its own", "Look into the log of the side that sent it."),
    "inappropriate_fallback": Alert(
        86, "SBC-TLS-004", "the client tried again with an older version than both could use", "Switch version fallback off."
    ),
    "user_canceled": Alert(90, "SBC-TLS-009", "the handshake was given up by its user", "Nothing, if it was meant."),
    "no_renegotiation_RESERVED": Alert(
        100, "SBC-TLS-011", "renegotiation was asked for and refused (old TLS)", "Switch renegotiation off on the partner's side."
    ),
    "missing_extension": Alert(
        109, "SBC-TLS-005", "TLS 1.3 needs an extension that was not sent", "Send supported_groups, key_share and signature_algorithms."
    ),
    "unsupported_extension": Alert(
        110, "SBC-TLS-011", "an extension was answered that was never offered", "Update the TLS stack of the side that answered."
    ),
    "certificate_unobtainable_RESERVED": Alert(
        111, "SBC-TLS-007", "a certificate could not be fetched from its URL (old TLS)", "Send certificates in the handshake."
    ),
    "unrecognized_name": Alert(
        112, "SBC-TLS-008", "the server does not serve the name in SNI", "Dial the SBC by a host name that stands in its certificate."
    ),
    "bad_certificate_status_response": Alert(
        113, "SBC-TLS-007", "the stapled OCSP answer is bad", "Do not demand OCSP stapling from a certificate of a private CA."
    ),
    "bad_certificate_hash_value_RESERVED": Alert(
        114, "SBC-TLS-007", "a certificate did not match its hash (old TLS)", "Send certificates in the handshake."
    ),
    "unknown_psk_identity": Alert(
        115, "SBC-TLS-011", "no pre-shared key of that name is known", "Use certificates instead of pre-shared keys."
    ),
    "certificate_required": Alert(
        116,
        "SBC-TLS-013",
        "a client certificate was demanded and not sent (TLS 1.3)",
        "Mutual TLS is not supported: switch the demand for a client certificate off.",
    ),
    "no_application_protocol": Alert(
        120, "SBC-TLS-011", "ALPN offered only protocols that the server does not speak", "Leave ALPN out, or offer sip."
    ),
}
"""Every alert of RFC 8446 section 6 by its name there."""


def alert_named(name: str) -> Alert | None:
    """Find an alert by its name; the suffix _RESERVED may be left out, hyphens and blanks may stand for underscores."""
    wanted = name.strip().lower().replace("-", "_").replace(" ", "_").removesuffix("_reserved")
    return next((alert for known, alert in ALERTS.items() if known.lower().removesuffix("_reserved") == wanted), None)
