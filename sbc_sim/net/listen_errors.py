"""Why an address cannot be listened on, and what to do about it, in one sentence."""

from __future__ import annotations

import errno


def cannot_listen(what: str, host: str, port: int | str, setting: str, error: BaseException, *, kind: str = "tcp") -> str:
    """Say it. `what`: SIP, HTTP, media; `port`: a number or a range; `setting`: where the address comes from; `kind`: tcp or udp."""
    reason = getattr(error, "socketError", error)
    number = getattr(reason, "errno", None)
    text = getattr(reason, "strerror", None) or str(reason)
    return f"cannot listen for {what} on {host} port {port}: {text}{_cure(number, port, setting, kind)}"


def _cure(number: int | None, port: int | str, setting: str, kind: str) -> str:
    whose = f" 'sport = :{port}'" if isinstance(port, int) else ""
    match number:
        case errno.EADDRINUSE:
            option = "-ltnp" if kind == "tcp" else "-lunp"
            return f"; see who holds it (`ss {option}{whose}`), or set {setting} to another port"
        case errno.EADDRNOTAVAIL:
            told = "what partners are told is another setting (sip.advertised, media.advertised)"
            setting = setting.replace("media.ports", "media.listen")
            return f"; set {setting} to an address of this machine, or 0.0.0.0: {told}"
        case errno.EACCES | errno.EPERM:
            return f"; ports below 1024 need a privilege: set {setting} to a higher port"
        case errno.EMFILE | errno.ENFILE:
            return "; too few files may be open: raise `ulimit -n`"
        case _:
            return f" ({setting})"
