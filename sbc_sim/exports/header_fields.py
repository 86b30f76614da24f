"""Header fields as text, read leniently: where they stand, and which of them are defined."""

from __future__ import annotations

import re

HEADER = re.compile(r"^(?P<name>[^\s:]{1,100})[ \t]*:[ \t]*(?P<value>[^\r\n]*(?:\r?\n[ \t]+[^\r\n]*)*)", re.MULTILINE)
USER_TO_USER = ("user-to-user", "x-user-to-user")
_DEFINED_NAMES = """
    accept accept-contact accept-encoding accept-language alert-info allow allow-events authentication-info authorization
    call-id call-info contact content-disposition content-encoding content-language content-length content-type cseq date
    diversion encryption error-info event expires feature-caps flow-timer from geolocation-routing history-info identity
    in-reply-to info-package join max-breadth max-expires max-forwards mime-version min-expires min-se p-access-network-info
    p-asserted-identity p-asserted-service p-called-party-id p-early-media p-preferred-identity p-preferred-service path
    priority privacy proxy-authenticate proxy-authorization proxy-require rack reason record-route recv-info refer-sub refer-to
    referred-by reject-contact remote-party-id replaces reply-to request-disposition require resource-priority retry-after route
    rseq security-client security-server security-verify server-timing service-route session-expires session-id sip-etag
    sip-if-match subscription-state supported timestamp to trigger-consent unsupported user-to-user via warning www-authenticate
    x-user-to-user a b c d e f i j k l m o r t u v x y
"""
DEFINED = frozenset(_DEFINED_NAMES.split())
"""Header fields whose content is known: names and hosts in them are found. Any other may hold anything, and is hidden whole."""


def divided(text: str) -> tuple[str, str, str]:
    """Divide a message into head, empty line and body; without an empty line all of it is head."""
    for end in ("\r\n\r\n", "\n\n"):
        head, found, body = text.partition(end)
        if found:
            return head, found, body
    return text, "", ""
