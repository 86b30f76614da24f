"""Reading and writing descriptions line by line."""

from __future__ import annotations

import pytest

from sbc_sim.sdp.description import MAX_LINES, MAX_OCTETS, SessionDescription, read, readable
from tests.sdp.samples import GOOD, PARTNERS, changed, sdp


def flaws(description: SessionDescription, fatal: bool = True) -> list[tuple[int, str]]:
    return [(flaw.number, flaw.detail) for flaw in description.flaws if flaw.fatal is fatal]


def the_flaw(description: SessionDescription, fatal: bool = True) -> tuple[int, str]:
    assert len(description.flaws) == 1, description.flaws
    (found,) = flaws(description, fatal)
    return found


def test_a_good_offer_has_no_flaw_and_writes_back_the_same_octets() -> None:
    description = read(sdp(*GOOD))
    assert description.flaws == ()
    assert description.encode() == sdp(*GOOD)


@pytest.mark.parametrize("partner", PARTNERS)
def test_the_shapes_of_the_field_have_no_flaw(partner: str) -> None:
    assert read(PARTNERS[partner]).flaws == ()


def test_lines_keep_their_numbers_and_their_text() -> None:
    description = read(b"v=0\no=- 1 1 IN IP4 192.0.2.1\ns=a  b \nt=0 0\n")
    assert [(line.number, line.text) for line in description.lines] == [
        (1, "v=0"),
        (2, "o=- 1 1 IN IP4 192.0.2.1"),
        (3, "s=a  b "),
        (4, "t=0 0"),
    ]


def test_octets_that_are_no_utf_8_survive_and_are_shown_as_escapes() -> None:
    body = sdp(*GOOD).replace(b"s=call", b"s=\xff\xc3\xbc")
    description = read(body)
    assert description.flaws == ()
    assert description.encode() == body
    assert readable(description.lines[2].text) == "s=\\xffü"


def test_what_does_not_print_is_shown_as_escapes() -> None:
    assert readable("s=\x1b[2J") == "s=\\x1b[2J"
    assert readable("s=\u202etxt".encode().decode("latin-1")) == "s=\\u202etxt"


def test_keys_stay_out_of_the_repr_of_lines() -> None:
    assert "inline" not in repr(read(sdp(*GOOD)))


def test_media_sections_take_the_lines_below_them() -> None:
    audio, video = read(sdp(*GOOD, "m=video 50000/2 RTP/AVP 96 97", "a=mid:v")).media
    assert (audio.kind, audio.port, audio.profile, audio.formats) == ("audio", 40000, "RTP/SAVP", ("0", "8", "101"))
    assert (video.kind, video.port, video.profile, video.formats) == ("video", 50000, "RTP/AVP", ("96", "97"))
    assert [value for _, value in video.attributes("mid")] == ["v"]
    assert [value for _, value in audio.attributes("ptime")] == ["20"]


def test_the_origin_is_read() -> None:
    origin = read(sdp(*GOOD)).origin
    assert origin is not None
    assert (origin.session_id, origin.version, origin.address, origin.line.number) == ("4711", 1, "192.0.2.10", 2)


def test_an_origin_whose_user_name_has_blanks_is_read_with_a_note() -> None:
    description = read(changed((GOOD[1], "o=front desk 4711 9 IN IP4 192.0.2.10")))
    assert description.origin is not None
    assert (description.origin.session_id, description.origin.version) == ("4711", 9)
    assert the_flaw(description, fatal=False)[0] == 2


@pytest.mark.parametrize(
    ("body", "number", "words"),
    [
        (b"", 1, "empty"),
        (b"\r\n\r\n", 1, "empty"),
        (changed((GOOD[0], None)), 1, "v=0"),
        (changed((GOOD[0], "v=1")), 1, "write v=0"),
        (sdp(GOOD[0], *GOOD), 2, "second v="),
        (changed((GOOD[1], None)), 2, "o=- SESSION-ID"),
        (sdp(*GOOD[:2], *GOOD[1:]), 3, "second o="),
        (changed((GOOD[1], "o=- 4711 x IN IP4 192.0.2.10")), 2, "decimal"),
        (changed((GOOD[1], "o=- 4711 1 IN IP4")), 2, "o="),
        (changed((GOOD[1], f"o=- 4711 {'9' * 5000} IN IP4 192.0.2.10")), 2, "20 digits"),
        (changed((GOOD[3], "c=IN IP4 192.0.2.10\r\nc=IN IP4 192.0.2.11")), 5, "another address"),
        (changed((GOOD[2], "hello")), 3, "not an SDP line"),
        (changed((GOOD[2], " s=call")), 3, "not an SDP line"),
        (changed((GOOD[2], "s=\x00")), 3, "NUL"),
        (changed((GOOD[2], "s=a\rb")), 3, "bare CR"),
        (b"\xef\xbb\xbf" + sdp(*GOOD), 1, "byte order mark"),
        (changed((GOOD[5], "m=audio")), 6, "m="),
        (changed((GOOD[5], "m=")), 6, "m="),
        (changed((GOOD[5], "m=audio 4000")), 6, "m="),
        (changed((GOOD[5], "m=audio 70000 RTP/SAVP 0")), 6, "65535"),
        (changed((GOOD[5], "m=audio port RTP/SAVP 0")), 6, "65535"),
        (changed((GOOD[5], "m=audio \u0663 RTP/SAVP 0")), 6, "65535"),
        (changed((GOOD[5], "m=audio 4000 RTP/SAVP")), 6, "no format"),
        (sdp(*GOOD, GOOD[1]), 14, "top"),
    ],
)
def test_a_fatal_flaw_names_its_line_and_what_to_write(body: bytes, number: int, words: str) -> None:
    found = flaws(read(body))
    assert [place for place, detail in found if words in detail] == [number], found


@pytest.mark.parametrize(
    ("body", "number", "words"),
    [
        (changed((GOOD[2], None)), 3, "s=-"),
        (changed((GOOD[4], None)), 3, "t=0 0"),
        (changed((GOOD[2], "s=a\r\ns=b")), 4, "second s="),
        (changed((GOOD[3], "c=IN IP4 192.0.2.10\r\nc=IN IP4 192.0.2.10")), 5, "keep one"),
        (changed((GOOD[2], "s=call\r\n")), 4, "empty line"),
        (sdp(GOOD[1], GOOD[0], *GOOD[2:]), 2, "not the first line"),
        (changed((GOOD[4], "t=0 0\r\nb=AS:64")), 6, "too low"),
        (changed((GOOD[4], "t=0 0\r\nx=new")), 6, "no place"),
        (changed((GOOD[5], GOOD[5] + "\r\ns=late")), 7, "no place"),
        (changed((GOOD[5], "m=audio 40000/2 RTP/SAVP 0")), 6, "several ports"),
        (sdp(*GOOD, "m=video 0 RTP/AVP"), 14, "no format"),
        (sdp(*GOOD, "m=video 5000 RTP/AVP"), 14, "no format"),
        (sdp(*GOOD, "m=audio 0 RTP/AVP"), 14, "no format"),
    ],
)
def test_a_harmless_flaw_is_noted_and_read_over(body: bytes, number: int, words: str) -> None:
    description = read(body)
    assert flaws(description) == []
    assert [place for place, detail in flaws(description, fatal=False) if words in detail] == [number], description.flaws


def test_empty_lines_at_the_end_are_no_flaw() -> None:
    assert read(sdp(*GOOD) + b"\r\n\r\n").flaws == ()


def test_a_description_over_the_octet_limit_is_not_read() -> None:
    fits = sdp(*GOOD)
    filler = b"a=" + b"x" * (MAX_OCTETS - len(fits) - 4) + b"\r\n"
    assert read(fits + filler).flaws == ()
    description = read(fits + filler + b" ")
    assert description.lines == ()
    assert str(MAX_OCTETS + 1) in the_flaw(description)[1]


def test_a_description_over_the_line_limit_is_not_read() -> None:
    fits = sdp(*GOOD, *["a=x"] * (MAX_LINES - len(GOOD)))
    assert read(fits).flaws == ()
    assert the_flaw(read(fits + b"a=x\r\n"))[0] == MAX_LINES + 1


def test_the_list_of_flaws_is_bounded_and_keeps_the_fatal_ones() -> None:
    description = read(sdp("v=0", *["w=odd"] * 500, "v=1"))
    assert len(description.flaws) == 20
    assert {"o=", "v="} <= {word for flaw in description.flaws if flaw.fatal for word in flaw.detail.split()}
