"""The SBC under test. Put yours here: it has to place a call with a User-to-User header, and to end it."""

from __future__ import annotations

import importlib.util
import json
import math
import struct
import subprocess
import sys
import wave
from pathlib import Path


class MySbc:
    """Any SBC that is driven by a command of its own for each call."""

    def __init__(self, host: str, port: int, ca: Path, folder: Path) -> None:
        """`host` and `port` of the trunk, `ca` that it has to trust; `folder` for its files."""
        self.host, self.port, self.ca, self.folder = host, port, ca, folder
        self._calls: list[subprocess.Popen[bytes]] = []

    def call(self, number: str, user_to_user: str, seconds: float = 1.5) -> None:
        """Place a call, and hang up `seconds` after the answer; does not wait for its end."""
        self._calls.append(subprocess.Popen(self.command(number, user_to_user, seconds), cwd=self.folder))

    def command(self, number: str, user_to_user: str, seconds: float) -> list[str]:
        """What places one call."""
        raise NotImplementedError

    def stop(self) -> None:
        """Wait for the end of its calls."""
        for call in self._calls:
            try:
                call.wait(15)
            except subprocess.TimeoutExpired:
                call.kill()


class BuiltInCaller(MySbc):
    """The caller that sbc-sim brings."""

    def command(self, number: str, user_to_user: str, seconds: float) -> list[str]:
        """What places one call."""
        trunk = [f"tls:{self.host}:{self.port}", "--ca", str(self.ca), "--to", number, "--uui", user_to_user]
        return [sys.executable, "-m", "sbc_sim", "call", *trunk, "--seconds", str(seconds), "--expect", "any"]


class Baresip(MySbc):
    """baresip 4, a real SIP client."""

    def command(self, number: str, user_to_user: str, seconds: float) -> list[str]:
        """What places one call."""
        plan = {
            "uri": f"sip:{number}@{self.host}:{self.port};transport=tls",
            "headers": {"User-to-User": user_to_user},
            "ca": str(self.ca),
            "seconds": seconds,
            "audio": str(self._audio()),
        }
        return [sys.executable, str(Path(__file__).with_name("baresip_call.py")), json.dumps(plan)]

    def _audio(self) -> Path:
        """Ten seconds of 440 Hz."""
        file = self.folder / "tone.wav"
        with wave.open(str(file), "wb") as tone:
            tone.setnchannels(1)
            tone.setsampwidth(2)
            tone.setframerate(8000)
            tone.writeframes(b"".join(struct.pack("<h", int(9000 * math.sin(2 * math.pi * 440 * n / 8000))) for n in range(80000)))
        return file


def installed_sbc(host: str, port: int, ca: Path, folder: Path) -> MySbc:
    """Give the SBC that is here."""
    kind = Baresip if importlib.util.find_spec("baresip") else BuiltInCaller
    return kind(host, port, ca, folder)
