"""Prompts: what an agent can say, as WAV files that ship with the package or are the user's own. Read when first needed, then kept.

prompts = Prompts(Path("/etc/sbc-sim/prompts"))
prompts.get("greeting")          # /etc/sbc-sim/prompts/greeting.wav if there, else the shipped one
prompts.get("hello.wav")         # a file of one's own, relative to the folder
"""

from __future__ import annotations

import json
from collections import OrderedDict
from functools import cache
from pathlib import Path

from sbc_sim.calls.nearest import nearest
from sbc_sim.rtp.audio import wav_pcmu
from sbc_sim.rtp.leg import Prompt
from sbc_sim.rtp.packet import CLOCK_RATE

LONGEST_S = 60
LARGEST_FILE = 32 * 1024 * 1024
MOST_OCTETS = 8 * 1024 * 1024
"""Of PCMU that are kept: seventeen minutes. The prompt that was not used for longest goes first, and is read again when needed."""
CURE = "Convert it, for example: ffmpeg -i IN -ar 8000 -ac 1 -c:a pcm_s16le OUT.wav"


class PromptError(ValueError):
    """A prompt that cannot be had: one sentence with the file, the reason and the cure."""


@cache
def shipped_texts() -> dict[str, str]:
    """Give the names of the prompts in the package, and what each of them says."""
    texts: dict[str, str] = json.loads(_shipped("texts.json").decode())
    return texts


def _shipped(file: str) -> bytes:
    from importlib.resources import files  # not every start pays for it

    return (files("sbc_sim") / "prompts" / file).read_bytes()


class Prompts:
    """The prompts of one folder, and the shipped ones."""

    def __init__(self, folder: Path | None = None) -> None:
        """`folder`: where own WAV files are looked for; None: only shipped prompts and absolute paths."""
        self._folder = folder
        self._kept: OrderedDict[str, Prompt] = OrderedDict()
        self._octets = 0

    def text(self, name: str) -> str:
        """Say in words what a shipped prompt says; empty for a file of one's own."""
        return "" if self._own(name) is not None else shipped_texts().get(name, "")

    def get(self, name: str) -> Prompt:
        """Give a prompt by name or file. Raises PromptError."""
        prompt = self._kept.get(name)
        if prompt is None:
            prompt = self._read(name)
            self._keep(prompt)
        self._kept.move_to_end(name)
        return prompt

    def _keep(self, prompt: Prompt) -> None:
        self._kept[prompt.name] = prompt
        self._octets += len(prompt.pcmu)
        while self._octets > MOST_OCTETS and len(self._kept) > 1:
            self._octets -= len(self._kept.popitem(last=False)[1].pcmu)

    def _own(self, name: str) -> Path | None:
        """Give the file of one's own that a name means; None when it means a shipped prompt."""
        if name.lower().endswith(".wav"):
            return Path(name) if self._folder is None or Path(name).is_absolute() else self._folder / name
        if self._folder is None or not (self._folder / f"{name}.wav").is_file():
            return None
        return self._folder / f"{name}.wav"

    def _read(self, name: str) -> Prompt:
        own = self._own(name)
        if own is not None:
            return Prompt(name, _from_file(own))
        if name not in shipped_texts():
            raise PromptError(f"there is no prompt {name[:60]!r}, {nearest(name, shipped_texts())}; a file of your own ends with .wav")
        return Prompt(name, wav_pcmu(_shipped(f"{name}.wav"), LONGEST_S))


def _from_file(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise PromptError(f"the prompt {path} is larger than {LARGEST_FILE} octets. {CURE}")
        return wav_pcmu(path.read_bytes(), LONGEST_S)
    except OSError as error:
        raise PromptError(f"the prompt {path} cannot be read: {error.strerror or error}") from None
    except PromptError:
        raise
    except ValueError as error:
        raise PromptError(f"the prompt {path} cannot be used: {error}. {CURE}") from None


def seconds(prompt: Prompt) -> float:
    """How long a prompt lasts."""
    return len(prompt.pcmu) / CLOCK_RATE
