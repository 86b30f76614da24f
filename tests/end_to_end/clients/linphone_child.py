"""Runs in a process of its own: one call by liblinphone (ctypes), as told by a JSON plan in the first argument.

Prints `@ringing`, `@answered`, `@held`, `@closed WORDS` amid liblinphone's own log (with its SIP trace); does what its standard
input says (`hang up`, `hold`, `resume`, `digit D`, `transfer URI`); ends with its standard input.
"""

import ctypes
import json
import os
import select
import sys
from collections.abc import Iterator
from typing import Any

Pointer = ctypes.c_void_p
Text = ctypes.c_char_p
Number = ctypes.c_int
LOG_MESSAGES, SRTP, RANDOM_PORT = 1 << 2, 1, -1

# No ports but one random TLS port on loopback, no database, no watch over network interfaces.
SETTINGS = """\
[sip]
sip_port=0
sip_tcp_port=0
sip_tls_port=-1
bind_address=127.0.0.1
use_ipv6=0
auto_net_state_mon=0
[rtp]
bind_address=127.0.0.1
[storage]
backend=sqlite3
uri=null
"""
TOLD = {"LinphoneCallOutgoingRinging": "@ringing", "LinphoneCallStreamsRunning": "@answered", "LinphoneCallPaused": "@held"}
OVER = ("LinphoneCallEnd", "LinphoneCallError", "LinphoneCallReleased")


class _ListItem(ctypes.Structure):
    """bctbx_list_t."""


_ListItem._fields_ = [("next", ctypes.POINTER(_ListItem)), ("previous", ctypes.POINTER(_ListItem)), ("data", Pointer)]


class Library:
    """liblinphone's C functions by name, with the types of each call said at the call."""

    def __init__(self, path: str) -> None:
        self._library = ctypes.CDLL(path)

    def call(self, name: str, *arguments: Any, gives: Any = None) -> Any:
        """Call linphone_NAME: int arguments are C ints, bytes are strings, everything else is a pointer."""
        function = self._library[f"linphone_{name}"]
        function.restype = gives
        function.argtypes = [Number if isinstance(one, int) else Text if isinstance(one, bytes) else Pointer for one in arguments]
        return function(*arguments)

    def pointer(self, name: str, *arguments: Any) -> Pointer:
        """Call linphone_NAME, which gives a pointer."""
        return Pointer(self.call(name, *arguments, gives=Pointer))


def _codecs(library: Library, core: Pointer) -> Iterator[Pointer]:
    item = library.call("core_get_audio_payload_types", core, gives=ctypes.POINTER(_ListItem))
    while item:
        yield Pointer(item.contents.data)
        item = item.contents.next


def _core(library: Library, plan: dict[str, Any]) -> Pointer:
    library.call("logging_service_set_log_level", library.pointer("logging_service_get"), LOG_MESSAGES)
    config = library.pointer("config_new_from_buffer", SETTINGS.encode())
    core = library.pointer("factory_create_core_with_config_3", library.pointer("factory_get"), config, None)
    library.call("core_set_root_ca", core, plan["ca"].encode())
    library.call("core_set_primary_contact", core, plan["caller"].encode())
    library.call("core_enable_ipv6", core, 0)
    library.call("core_set_audio_port", core, RANDOM_PORT)
    library.call("core_set_use_files", core, 1)
    library.call("core_set_play_file", core, plan["wav"].encode())
    library.call("core_set_record_file", core, plan["heard"].encode())
    library.call("core_enable_echo_cancellation", core, 0)
    library.call("core_enable_adaptive_rate_control", core, 0)
    library.call("core_set_media_encryption", core, SRTP)
    library.call("core_set_media_encryption_mandatory", core, 1)
    library.call("core_set_network_reachable", core, 1)
    for codec in _codecs(library, core):
        name = library.call("payload_type_get_mime_type", codec, gives=Text).decode()
        library.call("payload_type_enable", codec, int(name == plan["codec"]))
    if library.call("core_start", core, gives=Number) != 0:
        raise SystemExit("liblinphone would not start")
    return core


def _dial(library: Library, core: Pointer, plan: dict[str, Any]) -> Pointer:
    parameters = library.pointer("core_create_call_params", core, None)
    for name, value in plan["headers"].items():
        library.call("call_params_add_custom_header", parameters, name.encode(), value.encode())
    return library.pointer("call_ref", library.pointer("core_invite_with_params", core, plan["uri"].encode(), parameters))


def _ending(library: Library, call: Pointer) -> str:
    error = library.pointer("call_get_error_info", call)
    code = library.call("error_info_get_protocol_code", error, gives=Number)
    phrase = library.call("error_info_get_phrase", error, gives=Text) or b""
    return f"{code} {phrase.decode()}" if code >= 300 else "ended"


def _do(library: Library, call: Pointer, line: bytes) -> None:
    word, _, argument = line.partition(b" ")
    if word == b"digit":
        library.call("call_send_dtmf", call, argument[0])
    elif word == b"transfer":
        library.call("call_transfer", call, argument)
    else:
        library.call({b"hang": "call_terminate", b"hold": "call_pause", b"resume": "call_resume"}[word], call)


def _lines_now() -> list[bytes]:
    """What came on standard input by now; an empty line of bytes stands for its end."""
    ready, _, _ = select.select([sys.stdin], [], [], 0.01)
    return os.read(sys.stdin.fileno(), 4096).splitlines() or [b""] if ready else []


def main(plan: dict[str, Any]) -> None:
    """Dial, then do as told; liblinphone does its work inside core_iterate."""
    library = Library(plan["library"])
    core = _core(library, plan)
    call = _dial(library, core, plan)
    before = ""
    while True:
        library.call("core_iterate", core)
        state = library.call("call_state_to_string", library.call("call_get_state", call, gives=Number), gives=Text).decode()
        if state != before:
            if told := TOLD.get(state) or (state in OVER and before not in OVER and f"@closed {_ending(library, call)}"):
                print(f"\n{told}", flush=True)
            before = state
        for line in _lines_now():
            if not line:
                os._exit(0)  # liblinphone's own way down takes seconds and has nothing left to tell
            _do(library, call, line)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
