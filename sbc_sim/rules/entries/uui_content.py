"""Rules of what is inside the User-to-User value once the hex is undone: text, JSON, keys, lengths (SBC-UUI-020 to 033)."""

from __future__ import annotations

from sbc_sim.rules.entries import platforms
from sbc_sim.rules.entries.uui_form import ECHO_HEX
from sbc_sim.rules.finding import Rule

ECHO_JSON = '{"orgId":"echo-test-org","scrt2Domain":"afv-wss-echo:7442"}'
KEYS = (
    "Salesforce Help lists org id, SCRT2 domain, call id and JWT as content; the key names orgId and scrt2Domain come from the echo"
    " payload in a third party's summary, the others are a guess"
)
DECODED = "That the content is a JSON object is drawn from the echo payload; the published guide only says hex"

UUI_CONTENT: tuple[Rule, ...] = (
    Rule(
        id="SBC-UUI-020",
        title="The decoded octets are UTF-8 text",
        severity="must",
        why="JSON is UTF-8. Other octets come from another character set, from UTF-16, or from binary data of an ISDN interworking.",
        fix="Encode the text as UTF-8 before turning it into hex; an umlaut is two octets, not one.",
        source="RFC 8259 section 8.1",
        keywords=("not-utf8", "400", "utf-8", "latin-1", "utf-16", "binary"),
    ),
    Rule(
        id="SBC-UUI-021",
        title="The value begins with the text itself, without a protocol discriminator octet",
        severity="profile",
        why="ISDN puts one octet (04, 00) before the data, and Genesys and AudioCodes do so in SIP. It is stripped here with this note;"
        " whether Salesforce strips it is unknown.",
        fix="Switch the protocol discriminator off, or remove the first two digits on the trunk: the value should begin with 7b.",
        source="RFC 7434 (first octet of isdn-uui is the protocol discriminator); tolerance at Salesforce is a guess",
        platforms={
            platforms.GENESYS: "Always puts the octet in front of User-to-User; only a trunk element behind it can take it away.",
            platforms.AUDIOCODES: "The conversion from X-UserToUser adds 04; write User-to-User by a message manipulation rule instead.",
        },
        setting="uui.leading_octet",
        keywords=("leading-octet", "discriminator", "pd", "04", "00"),
    ),
    Rule(
        id="SBC-UUI-022",
        title="No byte order mark stands before the text",
        severity="must",
        why="EF BB BF in front of the text is not allowed in JSON that is sent over a network; strict readers stop there.",
        fix="Write the text as UTF-8 without BOM: the value should begin with 7b and not with efbbbf.",
        source="RFC 8259 section 8.1",
        setting="uui.content",
        keywords=("bom", "byte order mark", "efbbbf"),
    ),
    Rule(
        id="SBC-UUI-023",
        title="The content is JSON",
        severity="profile",
        why="The text was decoded but is no JSON. It is echoed and shown as it is; the real backend expects a JSON object.",
        fix=f"Send a JSON object, for the echo test {ECHO_JSON}.",
        source=DECODED,
        setting="uui.content",
        keywords=("not-json", "json"),
    ),
    Rule(
        id="SBC-UUI-024",
        title="The JSON is complete",
        severity="must",
        why="The JSON stops in the middle. Something on the way cut the header: many platforms carry far fewer octets than a JWT needs.",
        fix="Compare the length sent with the length received, both are in the finding, and find the element with that limit. Shorten the"
        " JWT (fewer claims, smaller key) or raise the limit.",
        source="RFC 8259; known limits: ISDN 128 octets, Genesys PureConnect 129, several CCaaS platforms 128 to 256",
        platforms={
            platforms.CUBE: "sip-profiles: a header is limited to 300 characters after modification in the releases documented.",
            platforms.GENESYS: "Advises at most 128 characters.",
        },
        setting="uui.content",
        keywords=("truncated-json", "truncated", "cut", "length"),
    ),
    Rule(
        id="SBC-UUI-025",
        title="Nothing follows the JSON object",
        severity="must",
        why="After the closing brace more text follows: padding, a NUL, a line end, or a second object.",
        fix="Cut the text at the closing brace before encoding; C programs encode the NUL at the end by mistake.",
        source="RFC 8259 section 2",
        setting="uui.content",
        keywords=("trailing-text", "nul", "padding"),
    ),
    Rule(
        id="SBC-UUI-026",
        title="The JSON is an object",
        severity="profile",
        why="An array, string or number has no keys, so neither org nor domain can be found.",
        fix=f"Send an object with named members: {ECHO_JSON}.",
        source=DECODED,
        setting="uui.content",
        keywords=("not-object", "array"),
    ),
    Rule(
        id="SBC-UUI-027",
        title="No key appears twice in the JSON object",
        severity="must",
        why="Which of two values counts is left to each reader: most take the last, some the first, some refuse.",
        fix="Write each key once; build the text with a JSON library rather than by joining strings.",
        source="RFC 8259 section 4",
        setting="uui.content",
        keywords=("duplicate-key", "json"),
    ),
    Rule(
        id="SBC-UUI-028",
        title="The JSON is not nested too deeply",
        severity="profile",
        why="Deep nesting is refused before it can exhaust a reader. The expected object is flat.",
        fix="Send a flat object of names and strings.",
        source="RFC 8259 section 9; the depth is our limit",
        setting="uui.max_depth",
        keywords=("too-deep", "nesting"),
    ),
    Rule(
        id="SBC-UUI-029",
        title="The object has orgId and scrt2Domain",
        severity="profile",
        why="Org and SCRT2 domain say which Salesforce org and which media backend the call belongs to.",
        fix=f"Add both keys, spelled exactly so: {ECHO_JSON}.",
        source=KEYS,
        setting="uui.content",
        keywords=("missing-key", "orgid", "scrt2domain"),
    ),
    Rule(
        id="SBC-UUI-030",
        title="Known keys hold strings",
        severity="profile",
        why="orgId, scrt2Domain, call id and JWT are text. A number, null or object there will not match anything.",
        fix="Put the value in double quotes, and see that the variable behind it was filled.",
        source=KEYS,
        setting="uui.content",
        keywords=("wrong-value-type", "null", "number"),
    ),
    Rule(
        id="SBC-UUI-031",
        title="The value is no longer than the limit",
        severity="profile",
        why="Salesforce Help names a limit of 1,024 characters and does not say of what. Hex doubles every octet: a JWT signed with the"
        " advised 2,048-bit key gives about 1,220 digits, so the limit's true scope is uncertain and this is a warning by default.",
        fix="Shorten what takes the room: JWT claims first, then extra parameters. The finding gives all three lengths and the largest"
        " members.",
        source="Salesforce Help, transfers by SIP: SIP header limit 1,024 characters; its scope is a guess (uui.limit_scope)",
        platforms={
            platforms.CUBE: "sip-profiles: added values are limited to about 220 characters in the releases documented.",
            platforms.GENESYS: "Advises at most 128 characters.",
        },
        setting="uui.over_limit",
        keywords=("over-limit", "1024", "400", "length", "jwt"),
    ),
    Rule(
        id="SBC-UUI-032",
        title="The echo test's payload names the echo org and the echo domain",
        severity="profile",
        why="The connectivity test is chosen by this payload. With the echo org and another domain the real SBC would look for a backend"
        " that does not exist.",
        fix=f"Send {ECHO_JSON}, which is {ECHO_HEX} in hex.",
        source="Echo payload from a third party's summary of the newer guide",
        setting="uui.echo_domain",
        keywords=("echo-domain-differs", "echo", "connectivity test"),
    ),
    Rule(
        id="SBC-UUI-033",
        title="The JWT can be decoded",
        severity="profile",
        why="A member that should hold a JWT is not three base64url parts with JSON inside: cut, quoted twice, or another token.",
        fix="Pass the token unchanged: header.payload.signature, base64url without padding. Its signature is not checked here yet.",
        source="RFC 7519, RFC 7515; which key holds the JWT is a guess (uui.aliases)",
        setting="uui.aliases",
        keywords=("bad-jwt", "jwt", "token"),
    ),
)
