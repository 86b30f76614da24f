"""baresip 1.0 as Debian packages it: driven over its standard input, with a module of ours (baresip_module.c).

What to know about it: it does not check the server's certificate, looks names up in the DNS only (so it dials an
address), repeats `;transport=tls` in the Request-URI, sends an empty `Supported:`, and has a Contact port that nobody
listens on. Its sndfile filter records what was decoded, before any player.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.end_to_end.clients.call import CALLER, CallWish, RealCall
from tests.end_to_end.clients.conversation import Conversation

MODULES = Path("/usr/lib/baresip/modules")
STOCK = ("stdio.so", "g711.so", "srtp.so", "aufile.so", "aubridge.so", "sndfile.so", "account.so", "menu.so")
SOURCE = Path(__file__).with_name("baresip_module.c")
HEADERS = Path("/usr/include/re/re.h")

CONFIG = """\
sip_listen {address}:0
sip_cafile {ca}
net_interface {address}
module_path {modules}
module stdio.so
module g711.so
module srtp.so
module aufile.so
module aubridge.so
module sndfile.so
module_app account.so
module_app partner.so
module_app menu.so
audio_source aufile,{wav}
audio_player aubridge,heard
audio_alert aubridge,alert
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
ausrc_format s16
auplay_format s16
auenc_format s16
audec_format s16
snd_path {recordings}
rtp_timeout 0
statmode_default off
ringback_disabled yes
"""


class DebianBaresip:
    """baresip 1.0.0 from Debian 12."""

    name = "baresip-1.0"
    host = "127.0.0.1"

    def __init__(self, address: str = "127.0.0.1", within: Sequence[str] = ()) -> None:
        """`address` is its own; `within`: the command that starts another in the place (a network namespace) where that address is."""
        self._address = address
        self._within = within

    def missing(self) -> str | None:
        """What is not installed, in words; None when all is there."""
        wanted = {
            "baresip": shutil.which("baresip") and (MODULES / "sndfile.so").exists(),
            "gcc": shutil.which("gcc"),
            "re.h (libre-dev)": HEADERS.exists(),
        }
        return ", ".join(what for what, there in wanted.items() if not there) or None

    def dial(self, wish: CallWish, folder: Path) -> DebianBaresipCall:
        """Write its configuration, start it, wait until it listens to us, dial."""
        home = folder / self.name
        home.mkdir(parents=True)
        # Its recorder cuts the whole file name at 127 characters, which a test's own folder can come near: a short one, then.
        shelf = tempfile.TemporaryDirectory(prefix="sbc-", dir="/tmp")
        recordings = Path(shelf.name)
        modules = _modules(home / "modules")
        (home / "config").write_text(CONFIG.format(address=self._address, ca=wish.ca, wav=wish.wav, modules=modules, recordings=recordings))
        (home / "accounts").write_text(_account(wish, self._address))
        environment = {"USER_TO_USER": wish.user_to_user} if wish.user_to_user is not None else {}
        # stdbuf: its screen would otherwise reach us in blocks, long after the fact
        conversation = Conversation(self.name, [*self._within, "stdbuf", "-o0", "baresip", "-f", str(home), "-s"], home, environment)
        conversation.wait_for(r"^baresip is ready")
        conversation.say(f"/dial sip:{wish.number}@{wish.host}:{wish.port}")
        return DebianBaresipCall(conversation, shelf)


class DebianBaresipCall(RealCall):
    """A call by baresip 1.0."""

    commands: Mapping[str, str] = {
        "hang up": "/hangup",
        "hold": "/hold",
        "resume": "/resume",
        "digit": "/sndcode",
        "transfer": "/transfer",
    }

    def __init__(self, conversation: Conversation, shelf: tempfile.TemporaryDirectory[str]) -> None:
        super().__init__(conversation, Path(shelf.name))
        self._shelf = shelf  # gone with the call

    @property
    def recording(self) -> Path:
        """sndfile names its files by the time of day."""
        return next(iter(sorted(self.folder.glob("*-dec.wav"))), self.folder / "none.wav")


def _account(wish: CallWish, address: str) -> str:
    parameters = ["regint=0", "mediaenc=srtp-mand", f"audio_codecs={wish.codec}/8000/1"]
    if wish.proxy:
        parameters.append(f'outbound="sip:{wish.proxy};transport=tls"')
    return f"<sip:{CALLER}@{address};transport=tls>;{';'.join(parameters)}\n"


def _modules(folder: Path) -> Path:
    """Baresip takes modules from one folder only: links to the stock ones, and our own."""
    folder.mkdir()
    for name in STOCK:
        (folder / name).symlink_to(MODULES / name)
    options = ["-shared", "-fPIC", "-Wall", "-DHAVE_INTTYPES_H", "-DHAVE_STDBOOL_H", f"-I{HEADERS.parent}"]
    subprocess.run(["gcc", *options, "-o", str(folder / "partner.so"), str(SOURCE)], check=True)
    return folder
