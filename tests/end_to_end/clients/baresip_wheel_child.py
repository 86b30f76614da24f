"""Runs in a process of its own: one call by baresip-python, as told by a JSON plan in the first argument.

Prints `@ringing`, `@answered`, `@held`, `@closed WORDS`; does what its standard input says (`hang up`, `hold`, `resume`,
`digit D`, `transfer URI`); ends with its standard input.
"""

import asyncio
import json
import logging
import sys
from collections.abc import Iterable
from typing import Any

from baresip import Account, BaresipError, Config, Event, Runtime, StackEvent, UserAgent

TOLD = {Event.CALL_RINGING: "@ringing", Event.CALL_ESTABLISHED: "@answered", Event.CALL_CLOSED: "@closed"}


def _config(plan: dict[str, Any]) -> Config:
    return Config(
        net_interface="127.0.0.1",
        audio_source=f"aufile,{plan['wav']}",
        audio_player=f"aufile,{plan['heard']}",
        native_log_level="info",
        sip_trace=True,
        extra_config_text=f"sip_cafile {plan['ca']}\nsip_verify_server yes\nsip_listen 127.0.0.1:0\n",
    )


def _account(plan: dict[str, Any]) -> Account:
    return Account(
        user=plan["caller"],
        domain="127.0.0.1",
        password="",
        reg_interval=0,
        transport="tls",
        registrar=f"sip:{plan['proxy']};transport=tls" if plan["proxy"] else None,
        audio_codecs=(plan["codec"],),
        extra_params=("mediaenc=srtp-mand",),
    )


def _tell(event: StackEvent) -> None:
    if event.event in TOLD:
        print(f"\n{TOLD[event.event]} {event.text or ''}", flush=True)


async def _lines() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


async def main(plan: dict[str, Any]) -> None:
    """Dial, then do as told."""
    runtime = Runtime()
    await runtime.start(_config(plan))
    agent = await UserAgent.create(runtime, _account(plan))
    agent.on(_tell)
    call = await agent.dial(plan["uri"], headers=plan["headers"])
    actions = {"hang up": call.hangup, "hold": call.hold, "resume": call.resume, "digit": call.send_dtmf, "transfer": call.transfer}
    lines = await _lines()
    while line := (await lines.readline()).decode():
        name, arguments = _understood(line, actions)
        try:
            await actions[name](*arguments)
            if name == "hold":
                print("\n@held", flush=True)
        except BaresipError as problem:
            print(f"\n@refused {name}: {problem}", flush=True)
    await runtime.close()


def _understood(line: str, actions: Iterable[str]) -> tuple[str, list[str]]:
    """`hang up` is an action of two words, all others are followed by their arguments."""
    name = next(action for action in actions if line.startswith(action))
    return name, line.removeprefix(name).split()


if __name__ == "__main__":
    logging.basicConfig(level=logging.DEBUG, format="%(message)s", stream=sys.stdout)
    asyncio.run(main(json.loads(sys.argv[1])))
