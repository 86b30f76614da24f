"""TLS secrets as programs write them where SSLKEYLOGFILE points (draft-ietf-tls-keylogfile)."""

from __future__ import annotations

_LABELS = frozenset(
    (
        "CLIENT_RANDOM",
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
        "SERVER_HANDSHAKE_TRAFFIC_SECRET",
        "CLIENT_TRAFFIC_SECRET_0",
        "SERVER_TRAFFIC_SECRET_0",
    )
)
"""Those that open something; later traffic secrets follow from number 0."""
LONGEST_LINE = 300
MOST_SECRETS = 200_000
_PRIVATE_KEY = "PRIVATE KEY-----"


class KeyLog:
    """The secrets of any number of connections, by label and client random."""

    def __init__(self) -> None:
        """Begin without any."""
        self._secrets: dict[tuple[str, bytes], bytes] = {}
        self.randoms: set[bytes] = set()
        self.has_private_key = False
        self.cut = False

    def __len__(self) -> int:
        """How many connections it has secrets of."""
        return len(self.randoms)

    def add(self, text: str) -> int:
        """Take the lines of one log; comments, empty lines and what is no secret are passed over. Gives the number of secrets found."""
        self.has_private_key = self.has_private_key or _PRIVATE_KEY in text
        found = 0
        for line in text.splitlines():
            words = line.split() if len(line) <= LONGEST_LINE else []
            if len(words) != 3 or words[0] not in _LABELS:
                continue
            if len(self._secrets) >= MOST_SECRETS:
                self.cut = True
                break
            random, secret = _octets(words[1]), _octets(words[2])
            if len(random) == 32 and 32 <= len(secret) <= 64:
                self._secrets[words[0], random] = secret
                self.randoms.add(random)
                found += 1
        return found

    def secret(self, label: str, random: bytes) -> bytes | None:
        """Look for a secret, as in ``secret("CLIENT_RANDOM", random)``, the TLS 1.2 master secret of a connection."""
        return self._secrets.get((label, random))


def _octets(digits: str) -> bytes:
    try:
        return bytes.fromhex(digits)
    except ValueError:
        return b""
