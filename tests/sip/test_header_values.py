from __future__ import annotations

import pytest

from sbc_sim.sip.errors import Malformation, MalformedMessage
from sbc_sim.sip.headers import CSeq, MediaType, NameAddr, RAck, Reason, SessionExpires, Via, WarningValue, add_tag
from sbc_sim.sip.text import Parameters, parse_number, printable, quote, split_list, unescape, unquote
from sbc_sim.sip.uri import Uri

# --- text ---


def test_what_does_not_print_is_shown_as_an_escape() -> None:
    assert printable("a\r\nb\0\x1b\u202e\udcff") == "a\\r\\nb\\x00\\x1b\\u202e\\xff"
    assert printable(b"\xff\x16ok") == "\\xff\\x16ok"
    assert printable("x" * 81) == "x" * 80 + "..."
    assert printable(b"x" * 81) == "x" * 80 + "..."
    assert printable("grüße") == "grüße"


@pytest.mark.parametrize("text", ["", "plain", 'say "hi"', "back\\slash", "ü", '\\"'])
def test_quoting_and_unquoting_are_inverse(text: str) -> None:
    assert unquote(quote(text)) == text


def test_a_quoted_string_never_holds_a_line_end() -> None:
    assert quote("a\r\nb\0c") == '"a b c"'


def test_text_without_quotes_is_not_unquoted() -> None:
    assert unquote("a\\b") == "a\\b"
    assert unquote('"') == '"'


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ("", []),
        (" a , b,,c ", ["a", "b", "c"]),
        ('"a,b" <sip:x,y>, c', ['"a,b" <sip:x,y>', "c"]),
        (r'"a\",b", c', [r'"a\",b"', "c"]),
        ('a, "open, b', ["a", '"open, b']),
        ("a, <open, b", ["a", "<open, b"]),
        ('"tail\\', ['"tail\\']),
    ],
)
def test_lists_are_split_outside_of_quotes_and_brackets(value: str, parts: list[str]) -> None:
    assert split_list(value) == parts


def test_percent_escapes_are_decoded_once() -> None:
    assert unescape("%25%34%31b%zz") == "%41b%zz"
    assert unescape("%ff") == "\udcff"


def test_numbers_have_a_bound_and_no_sign() -> None:
    assert parse_number("0068", "Max-Forwards") == 68
    assert parse_number("5;duration=3", "Retry-After") == 5
    assert parse_number("5 (in a meeting)", "Retry-After") == 5
    for bad in ("", "-1", "+1", "1e3", "4294967296", "9" * 5000, "\u0663"):
        with pytest.raises(MalformedMessage, match="Expires"):
            parse_number(bad, "Expires")


# --- URI ---


@pytest.mark.parametrize(
    ("text", "user", "host", "port"),
    [
        ("sip:echo@sbc1", "echo", "sbc1", None),
        ("sips:echo@my_host:5061;transport=tls", "echo", "my_host", 5061),
        ("SIP:a:secret@b.example", "a", "b.example", None),
        ("sip:[2001:db8::1]:5061", None, "2001:db8::1", 5061),
        ("sip:+15550100;phone-context=x@b;user=phone", "+15550100;phone-context=x", "b", None),
        ("sip:user;par=u%40example.net@example.com", "user;par=u%40example.net", "example.com", None),
        ("sip:a?b/c@d", "a?b/c", "d", None),
        ("sip:a@b?Subject=x@y", "a", "b", None),
        ("sip:@b", "", "b", None),
    ],
)
def test_uris_are_read_and_written_again_unchanged(text: str, user: str | None, host: str, port: int | None) -> None:
    uri = Uri.parse(text, "Contact")
    assert (uri.user, uri.host, uri.port) == (user, host, port)
    assert str(uri) == text
    assert Uri.parse(str(uri.changed()), "Contact") == uri


@pytest.mark.parametrize(
    "text",
    ["", "echo", "sip:", "sip:a@", "sip:a@b:", "sip:a@b:port", "sip:a@b:99999", "sip:a@[::g]", "sip:a@[::1", "sip:a b@c", "sip:a@b;x=\x01"],
)
def test_a_uri_that_cannot_be_read_names_the_header(text: str) -> None:
    with pytest.raises(MalformedMessage) as caught:
        Uri.parse(text, "Contact")
    assert caught.value.malformation is Malformation.BAD_HEADER
    assert caught.value.where == "Contact"
    assert caught.value.detail.startswith("Contact: ")


def test_uri_parameters_and_headers_are_found_by_name() -> None:
    uri = Uri.parse("sip:a@b;LR;maddr=c;maddr=d?User-to-User=7b7d%3Bencoding%3Dhex&X=1", "Route")
    assert "lr" in uri.parameters
    assert uri.parameters.get("MADDR") == "c"
    assert uri.header("user-to-user") == "7b7d;encoding=hex"
    assert uri.header("Y") is None


def test_a_changed_uri_is_written_from_its_parts() -> None:
    uri = Uri.parse("sips:a:b@[::1]:5061;x=1?h=2", "Contact")
    assert str(uri.changed(port=None)) == "sips:a:b@[::1];x=1?h=2"
    assert str(uri.changed(parameters=uri.parameters.replaced("x", "2").replaced("lr", None))) == "sips:a:b@[::1]:5061;x=2;lr?h=2"


def test_a_tel_uri_has_its_number_as_user() -> None:
    uri = Uri.parse("tel:+1-555-0100;phone-context=example.com", "To")
    assert (uri.scheme, uri.user, uri.user_text) == ("tel", "+1-555-0100", "+1-555-0100")
    assert str(uri.changed()) == "tel:+1-555-0100;phone-context=example.com"


def test_other_schemes_are_kept_and_not_read() -> None:
    assert str(Uri.parse("isbn:2983792873", "To")) == "isbn:2983792873"


# --- addresses ---


@pytest.mark.parametrize(
    ("text", "display", "uri", "tag"),
    [
        ('"A, B" <sip:a@b;lr>;tag=t', "A, B", "sip:a@b;lr", "t"),
        (r'"say \"hi\" \\" <sip:a@b>', 'say "hi" \\', "sip:a@b", None),
        ("Ann Other <sip:a@b> ; tag = x ; flag", "Ann Other", "sip:a@b", "x"),
        ("<sip:a@b>;tag=", "", "sip:a@b", None),
        ("sip:a@b;tag=t;user=phone", "", "sip:a@b", "t"),
        ('"" <sip:a@b>', "", "sip:a@b", None),
        ("caller<sip:a@b>;tag=323", "caller", "sip:a@b", "323"),
        ("< sip:a@b >;;tag=t;", "", "sip:a@b", "t"),
    ],
)
def test_addresses_are_read_in_all_their_forms(text: str, display: str, uri: str, tag: str | None) -> None:
    address = NameAddr.parse(text, "From")
    assert (address.display, str(address.uri), address.tag) == (display, uri, tag)
    assert NameAddr.parse(str(address), "From") == address


@pytest.mark.parametrize("text", ["", '"open <sip:a@b>', '"a" sip:a@b', "<sip:a@b", "<sip:a@b> tail", "Ann", "*", "<>", "<sip:a@b>;=x"])
def test_an_address_that_cannot_be_read_names_the_header(text: str) -> None:
    with pytest.raises(MalformedMessage) as caught:
        NameAddr.parse(text, "From")
    assert (caught.value.malformation, caught.value.where) == (Malformation.BAD_HEADER, "From")


def test_a_tag_is_added_without_touching_the_rest() -> None:
    assert add_tag('"A"  < sip:a@b >;', "t") == '"A"  < sip:a@b >;tag=t'
    assert str(NameAddr.parse("<sip:a@b>;tag=old;x", "To").with_tag("new")) == "<sip:a@b>;tag=new;x"


# --- Via ---


def test_a_via_is_read_whatever_its_blanks() -> None:
    via = Via.parse("SIP /\t2.0 / TLS   my_host : 5061 ; branch = z9hG4bK1 ;rport;alias")
    assert (via.transport, via.host, via.port, via.branch, via.rport, via.alias) == ("TLS", "my_host", 5061, "z9hG4bK1", "", True)
    assert str(via) == "SIP/2.0/TLS my_host:5061;branch=z9hG4bK1;rport;alias"


def test_received_and_rport_are_filled_in_their_places() -> None:
    via = Via.parse("SIP/2.0/TLS [2001:DB8::1];rport;branch=z9hG4bK1")
    assert via.received is None
    filled = via.with_parameter("rport", "40001").with_parameter("received", "192.0.2.7")
    assert str(filled) == "SIP/2.0/TLS [2001:DB8::1];rport=40001;branch=z9hG4bK1;received=192.0.2.7"
    assert (filled.rport, filled.received, filled.sent_by) == ("40001", "192.0.2.7", "[2001:db8::1]")


@pytest.mark.parametrize(
    "text", ["", "SIP/2.0/TLS", "SIP/2.0 host", "SIP/2.0/TLS ;branch=x", "SIP/2.0/TLS a b", "SIP/2.0/TLS a:b", "/2.0/TLS a"]
)
def test_a_via_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(MalformedMessage) as caught:
        Via.parse(text)
    assert caught.value.where == "Via"


# --- the small ones ---


def test_small_values_read_and_write() -> None:
    assert str(CSeq.parse("0009\t INVITE")) == "9 INVITE"
    assert str(RAck.parse("1 314159 INVITE")) == "1 314159 INVITE"
    assert SessionExpires.parse("1800 ; Refresher=UAC") == SessionExpires(1800, "uac")
    assert str(SessionExpires(1800, "uas")) == "1800;refresher=uas"
    assert str(SessionExpires.parse("90;refresher=me", "Min-SE")) == "90"
    assert MediaType.parse('Multipart / Mixed; boundary="a b"').name == "multipart/mixed"
    assert MediaType.parse('multipart/mixed; boundary="a b"').parameters.get("Boundary") == "a b"
    assert str(MediaType.parse("application/sdp;charset=utf-8")) == "application/sdp;charset=utf-8"


@pytest.mark.parametrize("text", ["", "INVITE", "1", "1 INVITE x", "0x1 INVITE", "1 IN VITE", "1 (x)"])
def test_a_cseq_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(MalformedMessage):
        CSeq.parse(text)


@pytest.mark.parametrize("text", ["", "1 2", "1 2 3 4", "99999999999 1 INVITE", "-1 2 INVITE"])
def test_a_rack_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(MalformedMessage, match="RAck"):
        RAck.parse(text)


def test_reasons_of_several_protocols_are_read() -> None:
    listed = split_list('Q.850;cause=16;text="a, b", SIP ;cause=200')
    assert [Reason.parse(text) for text in listed] == [Reason("Q.850", 16, "a, b"), Reason("SIP", 200)]
    assert str(Reason("SIP", 480, 'no "one"\r\nEvil: 1')) == r'SIP;cause=480;text="no \"one\" Evil: 1"'
    assert str(Reason("preemption")) == "preemption"


@pytest.mark.parametrize("text", ["", ";cause=1", "SIP;cause=x", "S P;cause=1", "SIP;cause=-1"])
def test_a_reason_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(MalformedMessage, match="Reason"):
        Reason.parse(text)


def test_a_warning_reads_back_as_it_was_made() -> None:
    warning = WarningValue(399, "sbc.example", 'SBC-UUI-002: odd "digits", \\ at 7')
    assert WarningValue.parse(str(warning)) == warning
    assert str(WarningValue(399, "sbc", "a\r\nb")) == '399 sbc "a b"'


@pytest.mark.parametrize("text", ['1812 overture "In Progress"', "399 host text", '399 "text"', ""])
def test_a_warning_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(MalformedMessage, match="Warning"):
        WarningValue.parse(text)


def test_parameters_keep_their_order_and_their_writing() -> None:
    parameters = Parameters.parse('; A = "x;y" ;;b;a=2', "Contact")
    assert list(parameters) == [("A", '"x;y"'), ("b", None), ("a", "2")]
    assert (parameters.get("a"), parameters.get("B"), parameters.get("c")) == ("x;y", "", None)
    assert str(parameters) == ';A="x;y";b;a=2'
    assert str(parameters.without("a")) == ";b"
    assert 7 not in parameters
