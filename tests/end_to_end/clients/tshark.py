"""tshark as its users start it: no preference, no profile, no key log; a capture file and a question."""

import os
import shutil
import subprocess
from pathlib import Path

NAME = "tshark"


def missing() -> str | None:
    """What is not installed, in words; None when all is there."""
    return next((program for program in ("tshark", "capinfos") if shutil.which(program) is None), None)


def tshark(file: Path, *options: str) -> list[str]:
    """Lines that tshark prints of a file; it fails on a file that it cannot read to its end."""
    home = file.parent / "wireshark-home"  # whoever runs this may have preferences of their own
    home.mkdir(exist_ok=True)
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "XDG_CONFIG_HOME": str(home), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(["tshark", "-r", str(file), *options], capture_output=True, text=True, timeout=60, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def fields(file: Path, wanted: str, *names: str) -> list[list[str]]:
    """The values of fields in the packets that a display filter takes."""
    columns = [option for name in names for option in ("-e", name)]
    return [line.split("\t") for line in tshark(file, "-Y", wanted, "-T", "fields", *columns)]


def streams(file: Path) -> list[dict[str, str]]:
    """What `-z rtp,streams` tells of each stream."""
    found = []
    for line in tshark(file, "-q", "-z", "rtp,streams"):
        words = line.replace("(", " ").replace("%)", " ").split()
        if len(words) > 14 and words[6].startswith("0x"):
            names = ("start", "end", "source", "sourcePort", "destination", "destinationPort", "ssrc", "payload", "packets", "lost")
            found.append({**dict(zip(names, words, strict=False)), "maxJitter": words[16]})
    return found


def interfaces(file: Path) -> list[str]:
    """The names of the interfaces, as capinfos lists them."""
    done = subprocess.run(["capinfos", str(file)], capture_output=True, text=True, timeout=60, check=True)
    return [line.split("=", 1)[1].strip() for line in done.stdout.splitlines() if line.strip().startswith("Name =")]
