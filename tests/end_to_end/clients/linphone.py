"""liblinphone, driven by ctypes in a process of its own (linphone_child.py); Debian's command line has no way to add a header.

What to know about it: TLS 1.2 only, checks the server's certificate but cannot read IP addresses in it (so it calls
`localhost`), offers four crypto lines, rtcp-fb and rtcp-xr, and sends STUN and RTCP APP in clear to the media ports.
"""

import ctypes.util
import json
import sys
from pathlib import Path

from tests.end_to_end.clients.call import CALLER, CallWish, RealCall
from tests.end_to_end.clients.conversation import Conversation

CHILD = Path(__file__).with_name("linphone_child.py")
GRAMMARS = Path("/usr/share/belr/grammars")


class Linphone:
    """liblinphone 5.1 from Debian 12."""

    name = "linphone"
    host = "localhost"

    def missing(self) -> str | None:
        """What is not installed, in words; None when all is there."""
        return None if ctypes.util.find_library("linphone") and GRAMMARS.is_dir() else "liblinphone10"

    def dial(self, wish: CallWish, folder: Path) -> RealCall:
        """Start the child; it dials by itself."""
        home = folder / self.name
        home.mkdir()
        plan = {
            "library": ctypes.util.find_library("linphone"),
            "uri": f"sip:{wish.number}@{wish.host}:{wish.port};transport=tls",
            "headers": {"User-to-User": wish.user_to_user} if wish.user_to_user is not None else {},
            "ca": str(wish.ca),
            "wav": str(wish.wav),
            "heard": str(home / "heard.wav"),
            "caller": f"sip:{CALLER}@127.0.0.1",
            "codec": wish.codec,
            "home": str(home),
        }
        # HOME and XDG: it keeps state; PULSE_SERVER: it must not look for a sound server
        environment = {"HOME": str(home), "XDG_DATA_HOME": str(home), "XDG_CONFIG_HOME": str(home), "PULSE_SERVER": "none"}
        return RealCall(Conversation(self.name, [sys.executable, str(CHILD), json.dumps(plan)], home, environment), home)
