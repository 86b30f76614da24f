"""`python -m bench`: one line each."""

from __future__ import annotations

import argparse

from bench import calls, container, events, media, plugin, rehearsal, rest, store, workers

MEASURES = {
    "media": media.measure,
    "mux": lambda: media.measure(mode="mux"),
    "capture": media.measure_capture,
    "agent": media.measure_agent,
    "faults": media.measure_faults,
    "events": events.measure,
    "store": store.measure,
    "signalling": calls.measure_rate,
    "memory": calls.measure_memory,
    "start": calls.measure_start,
    "import": calls.measure_import,
    "container": container.measure,
    "pytest": plugin.measure,
    "workers": workers.measure,
    "rest": rest.measure,
    "rehearsal": rehearsal.measure,
}


def main() -> None:
    """Measure what was asked for, all by default."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("what", nargs="*", choices=[*MEASURES, []], help="default: all")
    for name in parser.parse_args().what or MEASURES:
        print(MEASURES[name](), flush=True)


if __name__ == "__main__":
    main()
