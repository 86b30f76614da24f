"""The same on asyncio: what waits has a twin that ends in _async, and the event loop goes on meanwhile."""

from __future__ import annotations

import asyncio

import pytest


@pytest.mark.asyncio
async def test_two_calls_at_once(sbc_sim, my_sbc):
    calls = asyncio.gather(*(sbc_sim.wait_for_call_async(to=number) for number in ("+15550101", "+15550102")))
    my_sbc.call("+15550101", sbc_sim.echo_uui)
    my_sbc.call("+15550102", sbc_sim.echo_uui)
    for call in await calls:
        await call.assert_passed_async()
