"""baresip 4 as the PyPI wheel `baresip-python` carries it, in a process of its own (baresip_wheel_child.py).

What to know about it: it checks the server's certificate, uses its TLS source port in Contact and Via, and offers
rtcp-rsize, ssrc and mid lines.
"""

import importlib.util
import json
import sys
from pathlib import Path

from tests.end_to_end.clients.call import CALLER, CallWish, RealCall
from tests.end_to_end.clients.conversation import Conversation

CHILD = Path(__file__).with_name("baresip_wheel_child.py")


class WheelBaresip:
    """baresip 4 from PyPI."""

    name = "baresip-4"
    host = "127.0.0.1"

    def missing(self) -> str | None:
        """What is not installed, in words; None when all is there."""
        return None if importlib.util.find_spec("baresip") else "baresip-python"

    def dial(self, wish: CallWish, folder: Path) -> RealCall:
        """Start the child; it dials by itself."""
        home = folder / self.name
        home.mkdir()
        plan = {
            "uri": f"sip:{wish.number}@{wish.host}:{wish.port};transport=tls",
            "headers": {"User-to-User": wish.user_to_user} if wish.user_to_user is not None else {},
            "ca": str(wish.ca),
            "wav": str(wish.wav),
            "heard": str(home / "heard.wav"),
            "caller": CALLER,
            "codec": wish.codec.lower(),
            "proxy": wish.proxy,
        }
        return RealCall(Conversation(self.name, [sys.executable, str(CHILD), json.dumps(plan)], home), home)
