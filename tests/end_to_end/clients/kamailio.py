"""Kamailio as a TLS proxy in front: it record-routes, keeps the caller's connection by an alias in the Contact, and says
each request it relays in one line: `@relay METHOD FROM-WHERE TO-URI`.

It trusts the CA it is given and shows a certificate of its own; both sides are TLS. It cannot say which port it chose
for itself, so a free one is looked for and, should somebody else take it meanwhile, another.
"""

import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.end_to_end.clients.conversation import Conversation, PartnerFailed, wait_until

NAME = "kamailio"

HEAD = """\
#!KAMAILIO
debug=1
log_stderror=yes
children={children}
tcp_children={tcp_children}
enable_tls=yes
auto_aliases=no
dns=no
rev_dns=no
listen=tls:127.0.0.1:{port}
mpath="{modules}/"
loadmodule "tls.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "nathelper.so"
loadmodule "xlog.so"
modparam("tls", "config", "{home}/tls.cfg")
modparam("rr", "enable_full_lr", 1)
"""
"""How every one of them begins; more modules and their parameters may follow."""

CONFIG = (
    HEAD
    + """
request_route {{
  if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
  if (has_totag()) {{
    if (loose_route()) {{ handle_ruri_alias(); route(RELAY); }}
    if (is_method("ACK") && t_check_trans()) {{ route(RELAY); }}
    if (!is_method("ACK")) {{ sl_send_reply("404", "Not here"); }}
    exit;
  }}
  if (is_method("CANCEL")) {{ if (t_check_trans()) {{ route(RELAY); }} exit; }}
  if (is_method("INVITE")) {{ record_route(); add_contact_alias(); }}
  route(RELAY);
}}
route[RELAY] {{
  xlog("L_ERR", "@relay $rm $si:$sp $ru\\n");
  if (!t_relay()) {{ sl_reply_error(); }}
  exit;
}}
"""
)

TLS = """\
[server:default]
method = TLSv1.2+
verify_certificate = no
require_certificate = no
private_key = {key}
certificate = {certificate}
[client:default]
method = TLSv1.2+
verify_certificate = yes
require_certificate = yes
ca_list = {ca}
server_name = localhost
"""


def _modules() -> Path | None:
    return next(iter(sorted(Path("/usr/lib").glob("*/kamailio/modules/tls.so"))), None)


def missing() -> str | None:
    """What is not installed, in words; None when all is there."""
    wanted = {"kamailio": shutil.which("kamailio"), "kamailio-tls-modules": _modules()}
    return ", ".join(what for what, there in wanted.items() if not there) or None


@dataclass(frozen=True)
class Proxy:
    """A running Kamailio."""

    port: int
    conversation: Conversation

    @property
    def address(self) -> str:
        """host:port, as in its Record-Route."""
        return f"127.0.0.1:{self.port}"

    def wait_relayed(self, method: str, times: int = 1) -> str:
        """Until it has relayed such a request so many times; returns where the last of them went."""
        once = rf"@relay {method} \S+ (\S+)"
        return self.conversation.wait_for(rf"(?s:(?:{once}.*?){{{times}}})").group(1)


@contextmanager
def proxying(folder: Path, key: Path, certificate: Path, ca: Path) -> Iterator[Proxy]:
    """Kamailio with this key and certificate toward callers, and this trust toward the server."""

    def prepare(home: Path, port: int) -> None:
        (home / "kamailio.cfg").write_text(
            CONFIG.format(port=port, modules=(_modules() or home).parent, home=home, children=1, tcp_children=2)
        )
        (home / "tls.cfg").write_text(TLS.format(key=key, certificate=certificate, ca=ca))

    with running(folder, prepare) as proxy:
        yield proxy


@contextmanager
def running(folder: Path, prepare: Callable[[Path, int], None], memory: int = 64) -> Iterator[Proxy]:
    """Run it with what `prepare` writes into a folder for a port: kamailio.cfg and what that names.

    `memory`: MiB that all its processes share.
    """
    conversation: Conversation | None = None
    for attempt in range(5):
        home = folder / f"kamailio-{attempt}"
        home.mkdir()
        port = _free_port()
        prepare(home, port)
        folders = ["-f", str(home / "kamailio.cfg"), "-Y", str(home), "-P", str(home / "pid"), "-w", str(home)]
        conversation = Conversation("kamailio", ["kamailio", "-DD", "-E", "-m", str(memory), "-M", "8", *folders], home)
        try:
            _wait_listening(conversation, port)
            break
        except PartnerFailed:
            conversation.end()
            if attempt == 4:
                raise
    assert conversation is not None
    try:
        yield Proxy(port, conversation)
    finally:
        conversation.end()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def _wait_listening(conversation: Conversation, port: int) -> None:
    """Its first words come before its sockets; its last process says nothing at all. So ask the port itself."""

    def listening() -> bool:
        if conversation.process.poll() is not None:
            raise PartnerFailed(f"kamailio would not start:\n{conversation.last_words()}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    wait_until(listening, "kamailio listens", said=conversation.last_words)
