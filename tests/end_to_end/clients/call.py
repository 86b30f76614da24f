"""The one interface behind which every real client is driven: a wish for a call, and the call itself."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.end_to_end.clients.audio import RATE, read_wav
from tests.end_to_end.clients.conversation import Conversation, wait_until

# The connectivity test's payload: {"orgId":"echo-test-org","scrt2Domain":"afv-wss-echo:7442"}
ECHO_PAYLOAD = b'{"orgId":"echo-test-org","scrt2Domain":"afv-wss-echo:7442"}'.hex()
ECHO_UUI = f"{ECHO_PAYLOAD};encoding=hex"
CALLER = "+15550111"


@dataclass(frozen=True)
class CallWish:
    """What to dial and what to say. `proxy` is a host:port that the request goes through (TLS), `ca` what the client trusts."""

    host: str
    port: int
    ca: Path
    wav: Path
    number: str = "5550100"
    user_to_user: str | None = ECHO_UUI
    codec: str = "PCMU"
    proxy: str | None = None


@dataclass(frozen=True)
class Ending:
    """How a call ended at the client: the refusal's status if it was refused, and the client's own words."""

    status: int | None
    words: str


class RealClient(Protocol):
    """A kind of client."""

    name: str
    host: str  # the name of this machine that the client can check a certificate against

    def missing(self) -> str | None:
        """What is not installed, in words; None when all is there."""

    def dial(self, wish: CallWish, folder: Path) -> RealCall:
        """Start the client and let it dial."""


class RealCall:
    """One call of a client that writes `@ringing`, `@answered`, `@held`, `@closed WORDS` as it goes."""

    commands: Mapping[str, str] = {}
    """How this client calls what it is told: hang up, hold, resume, digit, transfer; the word itself unless said here."""

    def __init__(self, conversation: Conversation, folder: Path) -> None:
        self.conversation = conversation
        self.folder = folder

    @property
    def recording(self) -> Path:
        """The WAV of what the client heard."""
        return self.folder / "heard.wav"

    def wait_answered(self) -> None:
        """Until the client says that the call stands."""
        self.conversation.wait_for(r"^@answered\b")

    def heard(self) -> array[int]:
        """The samples heard so far."""
        return read_wav(self.recording)

    def wait_heard(self, seconds: float) -> None:
        """Until that much audio was recorded."""
        conversation = self.conversation
        wait_until(lambda: len(self.heard()) >= seconds * RATE, f"{conversation.name} hears {seconds} s", said=conversation.last_words)

    def hang_up(self) -> None:
        """Let the client end the call, and wait until it has."""
        self.tell("hang up")
        self.wait_closed()

    def tell(self, action: str, *arguments: str) -> None:
        """Let the client hold, resume, send a digit (argument) or transfer (argument: the URI); its trace shows what comes of it."""
        self.conversation.say(" ".join([self.commands.get(action, action), *arguments]))

    def wait_closed(self) -> Ending:
        """Until the client says that the call is over."""
        words = self.conversation.wait_for(r"^@closed ?(.*)$").group(1).strip()
        status = re.match(r"([3-6]\d\d)\b", words)
        return Ending(int(status.group(1)) if status else None, words)

    def trace(self) -> str:
        """All that the client printed, its SIP trace included."""
        return self.conversation.said

    def end(self) -> None:
        """End the client."""
        self.conversation.end()


@contextmanager
def calling(client: RealClient, wish: CallWish, folder: Path) -> Iterator[RealCall]:
    """A call by a real client; the client is ended with the block."""
    call = client.dial(wish, folder)
    try:
        yield call
    finally:
        call.end()
