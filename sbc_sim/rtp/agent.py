"""The agent's leg: says prompts, is silent between them, and tells what it hears: speech by its level, and keys.

    leg = AgentLeg(description, now)
    leg.say(Prompt("greeting", pcmu), now)          # instead of what plays; None: be silent
    every 10 ms or so:  for datagram in leg.due(now): send it to leg.destination
                        for event in leg.take_events(): ...

It sends one packet every packet time, silence too, so that the partner's jitter buffer and its watch for dead media are content. On hold a
prompt waits and goes on afterwards. A prompt is over when its last packet has been played, not when it was sent.

Speech is what is louder than `speech_dbfs` for 60 ms; it has ended when nothing louder than 6 dB below that came for `pause_ms`, be it
that quiet packets came or, with silence suppression, none.
"""

from __future__ import annotations

import audioop
from collections import deque

from sbc_sim.rtp.audio import PCMU_SILENCE, TO_PCMA, linear_of
from sbc_sim.rtp.leg import LegDescription, LegEvent, LegEventKind, Prompt
from sbc_sim.rtp.paced import EARLY_S, PacedLeg
from sbc_sim.rtp.packet import CLOCK_RATE
from sbc_sim.rtp.reception import Heard

ONSET_OCTETS = 60 * CLOCK_RATE // 1000
"""Shorter noises than 60 ms are no speech: a click, a key's tone leaking into the audio."""

HYSTERESIS_DB = 6.0
"""What goes on may be softer than what began."""

MOST_EVENTS = 64
"""Events that wait to be taken; the oldest go first."""

_NOTHING: list[bytes] = []
_NO_EVENTS: list[LegEvent] = []


def amplitude(dbfs: float) -> int:
    """Give the 16-bit amplitude of a level."""
    return int(32768 * 10 ** (dbfs / 20))


class AgentLeg(PacedLeg):
    """A leg that talks and listens."""

    __slots__ = (
        "_began",
        "_events",
        "_keys",
        "_least",
        "_linear",
        "_loud_at",
        "_loud_octets",
        "_pause",
        "_position",
        "_prompt",
        "_silence",
        "_speaking",
        "_threshold",
        "_translation",
    )

    def __init__(self, description: LegDescription, now: float) -> None:
        """Begin in silence; raise ValueError for a suite or key that cannot be used."""
        super().__init__(description, now)
        self._events: deque[LegEvent] = deque(maxlen=MOST_EVENTS)
        self._prompt: Prompt | None = None
        self._position = 0
        self._keys = 0
        self._speaking = False
        self._began = self._loud_at = now
        self._loud_octets = 0
        self._attune(description)

    def _attune(self, description: LegDescription) -> None:
        """Take codec and thresholds from the description."""
        conduct = description.conduct
        self._least = amplitude(conduct.speech_dbfs)
        self._pause = conduct.pause_ms / 1000
        self._linear = linear_of(description.codec)
        self._translation = TO_PCMA if description.codec == "PCMA" else None
        silence = bytes([PCMU_SILENCE]) * self._timestamp_step
        self._silence = silence.translate(self._translation) if self._translation else silence
        self._set_threshold()

    def _set_threshold(self) -> None:
        self._threshold = self._least / 10 ** (HYSTERESIS_DB / 20) if self._speaking else self._least

    def change(self, description: LegDescription) -> None:
        """Go on as described from now; a prompt that plays goes on where it was."""
        super().change(description)
        self._attune(description)

    # --- talking -----------------------------------------------------------------------------------------------------

    def say(self, prompt: Prompt | None, now: float) -> None:
        """Play a prompt instead of what plays, whose end is then not told; None: be silent."""
        self._prompt, self._position = prompt, 0

    def due(self, now: float) -> list[bytes]:
        """Give the packets whose time has come; note keys and pauses at the same pace."""
        if self._next_at > now + EARLY_S:
            return _NOTHING
        if self._speaking and now - self._loud_at >= self._pause:
            self._end_speech()
        if self.reception.dtmf.pressed != self._keys:
            self._take_keys()
        return super().due(now)

    def _next_frame(self, now: float) -> bytes:
        prompt = self._prompt
        if prompt is None:
            return self._silence
        start, self._position = self._position, self._position + self._timestamp_step
        frame = prompt.pcmu[start : self._position]
        if not frame:
            self._prompt = None
            self._tell(LegEventKind.PROMPT_OVER, prompt.name)
            return self._silence
        if len(frame) < self._timestamp_step:
            frame = frame.ljust(self._timestamp_step, bytes([PCMU_SILENCE]))
        return frame if self._translation is None else frame.translate(self._translation)

    # --- listening ---------------------------------------------------------------------------------------------------

    def _hear(self, heard: Heard, now: float) -> None:
        payload = heard[4]
        linear = self._linear  # by way of a local, as in Reception.receive
        loud = audioop.rms(linear(payload, 2), 2) > self._threshold
        if self._speaking:
            if loud:
                self._loud_at = now
        elif loud:
            self._louder(len(payload), now)
        else:
            self._loud_octets = max(0, self._loud_octets - len(payload))

    def _louder(self, octets: int, now: float) -> None:
        """Take one loud packet while nobody speaks: some in a row are speech."""
        if not self._loud_octets:
            self._began = now
        self._loud_octets += octets
        if self._loud_octets >= ONSET_OCTETS:
            self._speaking, self._loud_at = True, now
            self._set_threshold()
            self._tell(LegEventKind.SPEECH_BEGAN)

    def _end_speech(self) -> None:
        self._speaking, self._loud_octets = False, 0
        self._set_threshold()
        self._tell(LegEventKind.SPEECH_ENDED, str(round((self._loud_at - self._began + self._ptime) * 1000)))

    def _take_keys(self) -> None:
        dtmf = self.reception.dtmf
        for digit in dtmf.newest(dtmf.pressed - self._keys):
            self._tell(LegEventKind.DIGIT, digit)
        self._keys = dtmf.pressed

    # --- telling -----------------------------------------------------------------------------------------------------

    def _tell(self, kind: LegEventKind, value: str = "") -> None:
        self._events.append(LegEvent(kind, value))

    def take_events(self) -> list[LegEvent]:
        """Hand over what was heard and played since the last time, in order."""
        if not self._events:
            return _NO_EVENTS
        events = list(self._events)
        self._events.clear()
        return events
