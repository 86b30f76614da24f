"""Media of regions with ports or addresses of their own: real planes on real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet import reactor as _reactor
from twisted.internet.threads import blockingCallFromThread

from sbc_sim.net.media_regions import RegionalMedia
from sbc_sim.net.media_udp import MediaPlane

reactor: Any = _reactor
NOW = 1_700_000_000.0


def plane(mode: str = "ports") -> MediaPlane:
    return MediaPlane(reactor, "127.0.0.1", "192.0.2.1", "0", mode, clock=lambda: NOW)


@pytest.fixture
def media(reactor_thread: None) -> Iterator[RegionalMedia]:
    own = plane("mux")
    joined = RegionalMedia(plane(), {"london": own, "tokyo": own}, {"london": "192.0.2.2", "sydney": "192.0.2.3"})
    run(joined.listen)
    yield joined
    run(joined.close_all, NOW)
    assert joined.ports_in_use == 0


def run(function: Any, *arguments: Any) -> Any:
    return blockingCallFromThread(reactor, function, *arguments)


def test_a_region_with_its_own_range_gets_ports_of_it_and_its_own_address(media: RegionalMedia) -> None:
    here, there = run(media.open, "a", "frankfurt"), run(media.open, "b", "london")
    assert (here.host, there.host) == ("192.0.2.1", "192.0.2.2")
    assert (there.rtp_port, there.rtp_port) == media.region_ports["london"]
    assert here.rtp_port not in media.region_ports["london"]


def test_an_address_of_its_own_needs_no_ports_of_its_own(media: RegionalMedia) -> None:
    address = run(media.open, "a", "sydney")
    assert address.host == "192.0.2.3"
    assert address.rtp_port != media.region_ports["london"][0]


def test_regions_may_share_a_range(media: RegionalMedia) -> None:
    assert media.region_ports["london"] == media.region_ports["tokyo"]
    assert run(media.open, "a", "tokyo").rtp_port == media.region_ports["tokyo"][0]


def test_a_call_that_asks_again_keeps_its_ports_and_its_end_frees_them(media: RegionalMedia) -> None:
    before = media.ports_in_use
    first = run(media.open, "a", "frankfurt")
    assert run(media.open, "a", "frankfurt") == first
    assert media.ports_in_use == before + 2
    run(media.stop, "a", NOW)
    assert media.ports_in_use == before


def test_what_is_asked_of_a_call_that_is_not_there_is_answered_as_by_one_plane(media: RegionalMedia) -> None:
    assert media.report("nobody") is None
    assert media.leg("nobody") is None
    run(media.stop, "nobody", NOW)
    run(media.say, "nobody", None, NOW)
    assert media.refused_datagrams == {"no_leg": 0, "over_budget": 0}
    assert media.ports_limit == 0, "one of the ranges is any free ports"
