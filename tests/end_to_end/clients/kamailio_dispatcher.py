"""Kamailio as a TLS dispatcher: it spreads calls over several servers by turns, and tries the next one when one does not answer.

It record-routes, so that all that belongs to a call comes back through it and goes to the server whose Contact the dialog has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.end_to_end.clients import kamailio
from tests.end_to_end.clients.kamailio import HEAD, TLS, Proxy

CONFIG = (
    HEAD
    + """\
tcp_connect_timeout=3
tcp_max_connections=256
loadmodule "dispatcher.so"
modparam("dispatcher", "list_file", "{home}/servers.list")
modparam("dispatcher", "flags", 2)
modparam("dispatcher", "xavp_dst", "_dsdst_")
modparam("dispatcher", "ds_ping_method", "OPTIONS")
modparam("dispatcher", "ds_ping_interval", 1)
modparam("dispatcher", "ds_probing_mode", 1)
modparam("dispatcher", "ds_probing_threshold", 1)
modparam("dispatcher", "ds_inactive_threshold", 1)
# Time enough for a busy machine: who is late but alive must not get the same call as the next one.
modparam("tm", "fr_timer", {patience})
modparam("tm", "fr_inv_timer", {patience})

request_route {{
  if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
  if (has_totag()) {{
    if (loose_route()) {{ handle_ruri_alias(); if (!t_relay()) {{ sl_reply_error(); }} exit; }}
    if (is_method("ACK")) {{ if (t_check_trans()) {{ t_relay(); }} exit; }}
    sl_send_reply("404", "Not here");
    exit;
  }}
  if (is_method("CANCEL")) {{ if (t_check_trans()) {{ t_relay(); }} exit; }}
  if (is_method("INVITE")) {{ record_route(); add_contact_alias(); }}
  if (!ds_select_dst("1", "4")) {{ sl_send_reply("503", "No server"); exit; }}
  t_newtran();
  t_on_failure("NEXT");
  route(RELAY);
  exit;
}}
# A connection that is refused makes t_relay() itself fail, without a failure route: the next one is tried here.
route[RELAY] {{
  while (!t_relay()) {{
    ds_mark_dst("ip");
    if (!ds_next_dst()) {{ t_reply("503", "No server"); exit; }}
  }}
  exit;
}}
failure_route[NEXT] {{
  if (t_is_canceled()) {{ exit; }}
  if (t_branch_timeout() || t_check_status("503")) {{
    xlog("L_ERR", "@next $ci\\n");
    ds_mark_dst("ip");
    if (ds_next_dst()) {{ t_on_failure("NEXT"); route(RELAY); }}
  }}
}}
"""
)


@contextmanager
def dispatching(folder: Path, key: Path, certificate: Path, ca: Path, ports: Sequence[int], patience_ms: int = 15_000) -> Iterator[Proxy]:
    """Kamailio with this key and certificate toward callers, in front of servers on these ports of 127.0.0.1, which it checks by `ca`.

    `patience_ms`: so long it waits for a server that has taken a request before it tries the next one.
    """

    def prepare(home: Path, port: int) -> None:
        servers = "".join(f"1 sip:127.0.0.1:{server};transport=tls 0 0\n" for server in ports)
        (home / "servers.list").write_text(servers)
        modules = (kamailio._modules() or home).parent
        (home / "kamailio.cfg").write_text(
            CONFIG.format(port=port, modules=modules, home=home, patience=patience_ms, children=2, tcp_children=3)
        )
        (home / "tls.cfg").write_text(TLS.format(key=key, certificate=certificate, ca=ca))

    with kamailio.running(folder, prepare) as proxy:
        yield proxy
