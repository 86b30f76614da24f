"""To which region and partner a call belongs, and which allow-list refuses it."""

from dataclasses import replace

import pytest

from sbc_sim.calls.directory import Directory
from sbc_sim.calls.partner import Partner
from sbc_sim.calls.region import Region
from sbc_sim.rules.network import off_list
from sbc_sim.rules.policy import Policy
from sbc_sim.rules.signalling import judge_request_line
from sbc_sim.sip.fields import Headers
from sbc_sim.sip.message import Request
from sbc_sim.sip.peer import Peer, TlsFacts

FRANKFURT = Region("frankfurt", host="fra.sbc.example")
LONDON = Region("london", host="lon.sbc.example")
TOKYO = Region("tokyo", host="tyo.sbc.example", listeners=("tokyo",))
SYDNEY = Region("sydney", host="syd.sbc.example", allow_from=("203.0.113.0/24",))
ACME = Partner("acme", signalling=("192.0.2.0/24",), by_region={"london": {"signalling": ("198.51.100.0/28",)}})
BETA = Partner("beta", signalling=("192.0.2.128/25",))
EVERYWHERE = (FRANKFURT, LONDON, TOKYO, SYDNEY)


def peer(host="192.0.2.1", sni=None, listener="default", dialled=False):
    return Peer(host, 40000, "192.0.2.250", 5061, listener, TlsFacts("TLSv1.3", "AES", sni), dialled)


def request(uri="sip:echo@192.0.2.250"):
    return Request("INVITE", uri, Headers())


def place(peer, uri="sip:echo@192.0.2.250", default="", regions=EVERYWHERE, partners=(ACME,), policy=None):
    return Directory(regions, partners, default, policy).locate(peer, request(uri))


def region(*arguments, **more):
    found = place(*arguments, **more)
    return (found.region.name if found.region else None), found.chosen_by


def refusal(host, *arguments, **more):
    found = place(peer(host), *arguments, **more)
    return off_list(host, found.policy or more.get("policy") or Policy())


def test_each_way_to_say_a_region_goes_before_the_next_one():
    everything = peer("198.51.100.1", "fra.sbc.example", "tokyo")
    assert region(everything, "sip:echo@syd.sbc.example", "sydney") == ("tokyo", "listener")
    by_name = replace(everything, listener="default")
    assert region(by_name, "sip:echo@syd.sbc.example", "sydney") == ("frankfurt", "SNI")
    nameless = peer("198.51.100.1")
    assert region(nameless, "sip:echo@syd.sbc.example", "tokyo") == ("sydney", "Request-URI")
    assert region(nameless, default="tokyo") == ("london", "source network")
    assert region(peer(), default="tokyo") == ("tokyo", "default")
    assert region(peer()) == (None, "")


@pytest.mark.parametrize("name", ["FRA.sbc.example", "fra.sbc.example."])
def test_names_count_in_any_case_and_with_a_final_dot(name):
    assert region(peer(sni=name)) == ("frankfurt", "SNI")
    assert region(peer(), f"sips:+1555@{name}:5061;transport=tls") == ("frankfurt", "Request-URI")


def test_an_unknown_server_name_lets_the_request_uri_say_it():
    assert region(peer(sni="other.example"), "sip:a@fra.sbc.example") == ("frankfurt", "Request-URI")


@pytest.mark.parametrize("uri", ["tel:+15550100", "nonsense", "sip:", "sip:a@[::1", "urn:service:sos"])
def test_a_request_uri_without_a_host_says_nothing(uri):
    assert region(peer(), uri, "london") == ("london", "default")


def test_the_allow_list_of_one_region_is_where_its_calls_come_from():
    assert region(peer("203.0.113.9")) == ("sydney", "source network")


def test_a_network_that_two_regions_share_says_nothing():
    twins = (replace(LONDON, allow_from=("203.0.113.0/24",)), SYDNEY)
    assert region(peer("203.0.113.9"), regions=twins, default="london") == ("london", "default")


def test_a_connection_that_we_opened_belongs_to_no_listener_and_no_server_name():
    assert region(peer("10.0.0.1", "fra.sbc.example", "tokyo", dialled=True)) == (None, "")


def test_an_unknown_peer_is_placed_by_what_its_request_says():
    assert region(None, "sip:a@lon.sbc.example") == ("london", "Request-URI")


def test_a_default_region_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="no region 'paris'"):
        Directory(EVERYWHERE, (), "paris")


@pytest.mark.parametrize(
    ("host", "name"),
    [("192.0.2.1", "acme"), ("192.0.2.200", "beta"), ("198.51.100.3", "acme"), ("10.0.0.1", None), ("not an address", None)],
)
def test_the_partner_is_the_one_with_the_narrowest_network(host, name):
    found = place(peer(host), partners=(ACME, BETA)).partner
    assert (found.name if found else None) == name


def test_whoever_belongs_to_no_network_belongs_to_the_one_partner_from_anywhere():
    anybody = Partner("anybody")
    assert place(peer("10.0.0.1"), partners=(ACME, anybody)).partner is anybody
    assert place(peer("10.0.0.1"), partners=(anybody, Partner("other"))).partner is None


def test_a_strangers_call_belongs_to_the_only_partner_and_is_refused_by_its_list():
    assert place(peer("10.0.0.1")).partner is ACME
    sentence = "Source 10.0.0.1 is in none of the allowed networks of partners.acme.signalling: 192.0.2.0/24."
    assert refusal("10.0.0.1", "sip:a@fra.sbc.example") == sentence
    assert refusal("192.0.2.77", "sip:a@fra.sbc.example") == ""


def test_what_a_partner_uses_in_one_region_is_its_list_there_and_nowhere_else():
    assert "partners.acme.by_region.london.signalling: 198.51.100.0/28" in refusal("192.0.2.1", "sip:a@lon.sbc.example")
    assert refusal("198.51.100.1", "sip:a@lon.sbc.example") == ""
    assert "partners.acme.signalling" in refusal("198.51.100.1", "sip:a@fra.sbc.example")


def test_the_list_of_a_region_holds_there_in_place_of_the_common_one():
    common = Policy(allow_from=("192.0.2.0/24",))
    more = {"partners": (), "policy": common}
    assert refusal("203.0.113.9", "sip:a@syd.sbc.example", **more) == ""
    assert "regions.sydney.allow_from: 203.0.113.0/24" in refusal("192.0.2.1", "sip:a@syd.sbc.example", **more)
    assert "sip.allow_from: 192.0.2.0/24" in refusal("203.0.113.9", "sip:a@fra.sbc.example", **more)


def test_a_source_must_be_on_the_list_of_the_region_and_on_that_of_the_partner():
    roaming = Partner("acme", signalling=("192.0.2.0/24", "203.0.113.64/26"))
    assert "partners.acme.signalling" in refusal("203.0.113.9", "sip:a@syd.sbc.example", partners=(roaming,))
    assert "regions.sydney.allow_from" in refusal("192.0.2.1", "sip:a@syd.sbc.example", partners=(roaming,))
    assert refusal("203.0.113.70", "sip:a@syd.sbc.example", partners=(roaming,)) == ""


def test_a_region_that_the_partner_does_not_map_refuses_it():
    mapped = replace(ACME, regions=("london",))
    expected = "Source 192.0.2.1 calls as the partner acme, which does not map frankfurt (partners.acme.regions)."
    assert refusal("192.0.2.1", "sip:a@fra.sbc.example", partners=(mapped,)) == expected


def test_when_every_partner_has_said_from_where_it_calls_nobody_else_may():
    sentence = refusal("10.0.0.1", partners=(ACME, BETA))
    assert sentence.startswith("Source 10.0.0.1 is in none of the allowed networks of partners.acme.signalling, partners.beta.signalling: ")
    assert refusal("10.0.0.1", partners=(ACME, Partner("anybody"), Partner("all"))) == ""


def test_a_region_serves_its_own_numbers():
    numbered = replace(LONDON, numbers=("1000", "+15550100"))
    assert place(peer(), "sip:a@lon.sbc.example", regions=(numbered,)).policy.served_users == ("1000", "+15550100")


def test_what_a_region_has_of_its_own_is_named_where_it_refuses():
    numbered = replace(LONDON, numbers=("1000",), own_media_ports=True)
    there = place(peer(), "sip:999@lon.sbc.example", regions=(numbered,))
    finding = next(one for one in judge_request_line(request("sip:999@lon.sbc.example"), there.policy) if one.rule == "SBC-SIP-021")
    assert finding.detail == "User 999 is not served; regions.london.numbers has 1000."
    assert there.no_media_port == "all media ports are in use (regions.london.media_ports)"
    assert place(peer()).no_media_port == "all media ports are in use (media.ports)"


def test_where_nothing_differs_the_common_policy_holds():
    assert place(peer(), "sip:a@fra.sbc.example", partners=(Partner("partner"),)).policy is None


def test_before_a_request_whoever_may_call_some_region_may_connect():
    common = Policy(allow_from=("192.0.2.0/24",))
    directory = Directory(EVERYWHERE, (), "", common)
    for host, allowed in (("192.0.2.1", True), ("203.0.113.9", True), ("10.0.0.1", False)):
        policy = directory.locate(peer(host), None).policy or common
        assert (off_list(host, policy) == "") is allowed
    by_name = directory.locate(peer("192.0.2.1", "syd.sbc.example"), None).policy
    assert "regions.sydney.allow_from" in off_list("192.0.2.1", by_name)
