"""The voice call of the Telephony Integration API that goes with a SIP call: SBC-E2E-001 to 019."""

from __future__ import annotations

from sbc_sim.rules.entries import platforms
from sbc_sim.rules.finding import Rule

_HELP = "Salesforce help on inbound SIP calls (create the voice call by REST, then send the call with User-to-User)"
_VDG = "Service Cloud Voice developer guide, Telephony Integration API"
_OURS = "Not published; our choice after what public clients of the API do"
_LINK = ("voicecallid", "vendorcallkey", "rest", "voice call")

E2E_RECORDS = (
    Rule(
        id="SBC-E2E-001",
        title="The voice call is created by REST before the INVITE that names it",
        severity="must",
        why="The SBC looks the voice call up while the call rings. One that nobody created, or that is created later,"
        " cannot be found, and the"
        " call has no record, no routing and no transcript.",
        fix="POST /telephony/v1/voiceCalls, wait for the answer, put its voiceCallId into the User-to-User value, and only then send the"
        " INVITE. Look out for requests that were refused: GET /api/v1/voice-calls lists what was created.",
        source=_HELP,
        platforms={
            platforms.GENESYS: "Architect: the data action that creates the voice call must succeed before Set UUI Data and the transfer."
        },
        setting="telephony.unknown_call",
        keywords=(*_LINK, "create", "404"),
    ),
    Rule(
        id="SBC-E2E-002",
        title="The User-to-User value of a real call names its voice call",
        severity="must",
        why="Org, domain, voice call id and JWT travel in User-to-User; without the id nothing ties the SIP call to its record.",
        fix='Add the id to the JSON, {"orgId": ..., "scrt2Domain": ..., "voiceCallId": ..., "jwt": ...}; uui.aliases says what is read.',
        source=f"{_HELP}; the names of the keys are not published",
        setting="uui.aliases",
        keywords=(*_LINK, "uui"),
    ),
    Rule(
        id="SBC-E2E-003",
        title="The org of the User-to-User value is that of the voice call, and one that is known",
        severity="must",
        why="A voice call of another org is not found, and a token of another org opens nothing.",
        fix="Use one org id everywhere: iss of the token, orgId in User-to-User. 15 and 18 characters mean the same.",
        source=f"{_HELP}; facts on ids (15 and 18 characters)",
        setting="telephony.unknown_org",
        keywords=("orgid", "org", "iss", "404"),
    ),
    Rule(
        id="SBC-E2E-004",
        title="scrt2Domain is the bare host name that the voice call was created at",
        severity="profile",
        why="The media backend is reached by this name; a URL with scheme or path is no host name, and another domain is another instance.",
        fix="Send HOST or HOST:PORT, without https:// and without /telephony/v1: the host to which POST /voiceCalls goes.",
        source=f"{_HELP}; how it is checked is not published",
        setting="telephony.scrt2_domains",
        keywords=("scrt2domain", "domain"),
    ),
    Rule(
        id="SBC-E2E-005",
        title="The JWT in User-to-User is there, and good",
        severity="must",
        why="It is checked like the token of a request: RS256, iss the org, sub the call centre, not expired. Tokens that are made when the"
        " customer calls may have expired when the call is transferred.",
        fix="Make the token just before the INVITE, with the key whose public half the call centre holds; a lifetime of"
        " some minutes is enough.",
        source=f"{_HELP}; {_VDG} (claims); what the SBC answers is not published",
        setting="telephony.uui_token",
        keywords=("jwt", "token", "exp", "iss", "sub", "403"),
    ),
    Rule(
        id="SBC-E2E-006",
        title="The JWT leaves the User-to-User value within its limit",
        severity="profile",
        why="In hex each octet of the token takes two digits. With a 2,048-bit key the signature alone is 342 characters,"
        " 684 digits: with the"
        " usual claims the value passes 1,024, and elements on the way may cut it.",
        fix="Leave jti and other claims out, use short names, or a 1,024-bit key where it is still allowed; ask Salesforce"
        " what the limit counts"
        " (uui.limit_scope).",
        source="Salesforce help (1,024 characters; it does not say of what)",
        setting="uui.limit",
        keywords=("jwt", "limit", "1024", "length"),
    ),
    Rule(
        id="SBC-E2E-007",
        title="voiceCallId and vendorCallKey in User-to-User mean the same voice call",
        severity="must",
        why="When both are there and differ, each side of the flow works on another record.",
        fix="Take both from the same create request, or send voiceCallId alone.",
        source=_HELP,
        keywords=_LINK,
    ),
    Rule(
        id="SBC-E2E-008",
        title="The numbers of the SIP call are those of the voice call",
        severity="advice",
        why="The flow reads numbers from the SIP headers, the record has those of the REST request: when they differ,"
        " routing and screen pop do.",
        fix="Send the customer's number in From or P-Asserted-Identity and as `from`, and the contact centre's number as"
        " Request-URI and `to`.",
        source="Partner guide (phone numbers travel in SIP headers); which header counts is not published",
        keywords=("number", "from", "to", "p-asserted-identity", "e.164"),
    ),
    Rule(
        id="SBC-E2E-009",
        title="A vendorCallKey belongs to one call, and a voice call to one SIP call",
        severity="must",
        why="The same key gives the old voice call back, so that two conversations end up in one record.",
        fix="Make a new vendorCallKey for each call, and create the voice call anew before another INVITE.",
        source=f"{_VDG} (a repeated vendorCallKey returned the existing id)",
        setting="telephony.same_vendor_key",
        keywords=("vendorcallkey", "reused", "409"),
    ),
    Rule(
        id="SBC-E2E-010",
        title="The voice call is closed once its call is over",
        severity="must",
        why="A voice call that stays open counts against the org's limit, and shows as active to supervisors for ever.",
        fix="When the customer has hung up send PATCH /voiceCalls/{id} with endTime and without isActiveCall true.",
        source=f"{_VDG} (PATCH, isActiveCall)",
        setting="telephony.close_seconds",
        keywords=("close", "isactivecall", "endtime", "patch"),
    ),
    Rule(
        id="SBC-E2E-011",
        title="Messages go to the vendorCallKey of the first call",
        severity="must",
        why="The transcript belongs to the conversation, which is known by the first call's vendorCallKey; record ids and"
        " keys of later calls"
        " are not taken.",
        fix="POST /voiceCalls/{vendorCallKey}/messages with the key that the first create request sent.",
        source=f"{_VDG} (messages)",
        setting="telephony.message_key",
        keywords=("messages", "transcript", "vendorcallkey"),
    ),
    Rule(
        id="SBC-E2E-012",
        title="Requests about a voice call come in their order",
        severity="profile",
        why="A request that does not fit the state of the voice call (routing one that is closed, clearing where nothing"
        " is pending) has no effect.",
        fix="Create, then messages, omniFlow or routeVoiceCall, clearRouting or reroute while something is pending,"
        " acceptTime and agent, and close.",
        source=_OURS,
        setting="telephony.out_of_order",
        keywords=("order", "omniflow", "clearrouting", "reroute", "409"),
    ),
    Rule(
        id="SBC-E2E-013",
        title="The voice call stays open as long as its SIP call is up",
        severity="must",
        why="A PATCH without isActiveCall true closes the conversation, whatever else it brings; recordings and durations"
        " sent early do so by"
        " accident.",
        fix="Send isActiveCall: true with every PATCH but the last one.",
        source=f"{_VDG} (PATCH, isActiveCall absent or false closes)",
        keywords=("isactivecall", "patch", "closed"),
    ),
    Rule(
        id="SBC-E2E-014",
        title="callAttributes is a JSON object inside a string",
        severity="must",
        why="An object, or text that is no JSON, is not stored: the voice call is made without attributes, and the flow misses them.",
        fix="Send JSON.stringify({...}) as the value.",
        source=f"{_VDG} (callAttributes)",
        setting="telephony.bad_attributes",
        keywords=("callattributes", "json"),
    ),
    Rule(
        id="SBC-E2E-015",
        title="Members of requests have the documented names, units and formats",
        severity="advice",
        why="Members with other names are ignored, seconds are taken for milliseconds of 1970, numbers that are not E.164 match nothing.",
        fix="Compare with docs/telephony.md: letter case counts, times of messages are milliseconds since 1970, all others"
        " ISO 8601 in UTC.",
        source=_VDG,
        keywords=("member", "milliseconds", "e.164", "spelling"),
    ),
    Rule(
        id="SBC-E2E-016",
        title="Requests carry a JWT that the call centre's key has signed",
        severity="must",
        why="Without a good token no request is answered: RS256, iss the org id, sub the API name of the call centre, at"
        " most 24 hours from iat"
        " to exp, a jti only once.",
        fix="Make a fresh token for each request. Give the simulator the public key: PUT /api/v1/telephony/keys/NAME, or"
        " partners.NAME.public_keys.",
        source=f"{_VDG} (authorization); the statuses of refusals are not published",
        setting="telephony.verify",
        keywords=("jwt", "token", "401", "403", "rs256", "bearer", "jti"),
    ),
    Rule(
        id="SBC-E2E-017",
        title="Requests go to a path that there is, with a body as documented",
        severity="must",
        why="A required member that is missing, or a value of the wrong type, refuses the request.",
        fix="The answer names the member, what was expected and an example.",
        source=f"{_VDG} (fields of each resource); error bodies are our choice",
        keywords=("400", "404", "405", "415", "body", "required"),
    ),
    Rule(
        id="SBC-E2E-018",
        title="Requests stay within the org's limits",
        severity="must",
        why="Beyond the org's limits for calls and utterances each second the API answers 429.",
        fix="Wait as long as Retry-After says. Spread calls, and send messages in bulk.",
        source=f"{_VDG} (limits, older text: 50 calls and 5,000 utterances each second, 25,000 calls at once)",
        setting="telephony.calls_per_second",
        keywords=("429", "rate", "retry-after", "limit"),
    ),
    Rule(
        id="SBC-E2E-019",
        title="A routable number or context handle is used once, and in time",
        severity="must",
        why="The handle finds the context while the call rings. It is good for one call and 180 s; unknown, expired and"
        " used ones find nothing.",
        fix="Reserve just before the call is placed, and place it with the same caller's number.",
        source=f"{_VDG} (reserveRoutableNumber, createVoiceCallContext)",
        setting="telephony.handle_seconds",
        keywords=("handle", "reserveroutablenumber", "createvoicecallcontext", "correlationid", "contextid", "180"),
    ),
)
