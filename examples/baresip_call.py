"""One call by baresip 4 in a process of its own: python baresip_call.py PLAN, in JSON. Ends with the call."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from baresip import Account, Config, Event, Runtime, StackEvent, UserAgent


async def main(plan: dict[str, Any]) -> None:
    """Dial, talk, hang up; ends early when the other side does."""
    answered, closed = asyncio.Event(), asyncio.Event()

    def heard(event: StackEvent) -> None:
        if event.event is Event.CALL_ESTABLISHED:
            answered.set()
        if event.event is Event.CALL_CLOSED:
            closed.set()
            answered.set()

    runtime = Runtime()
    tls = f"sip_cafile {plan['ca']}\nsip_verify_server yes\nsip_listen 127.0.0.1:0\n"
    await runtime.start(
        Config(
            net_interface="127.0.0.1",
            audio_source=f"aufile,{plan['audio']}",
            audio_player="aufile,/dev/null",
            native_log_level="warning",
            extra_config_text=tls,
        )
    )
    account = Account(
        user="+15550111",
        domain="127.0.0.1",
        password="",
        reg_interval=0,
        transport="tls",
        audio_codecs=("pcmu",),
        extra_params=("mediaenc=srtp-mand",),
    )
    agent = await UserAgent.create(runtime, account)
    agent.on(heard)
    call = await agent.dial(plan["uri"], headers=plan["headers"])
    await answered.wait()
    try:
        await asyncio.wait_for(closed.wait(), plan["seconds"])
    except TimeoutError:
        await call.hangup()
        await asyncio.wait_for(closed.wait(), 5)
    await runtime.close()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
