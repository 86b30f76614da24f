"""Which certificate is shown to whom: one for everybody, one for each region's host name, and the rehearsal of a rotation (148).

    shown = ShownCertificates(common, names, hosts={"fra.sbc.example": "frankfurt"}, directory=Path("certs"))
    shown.to("fra.sbc.example")            # what a client that asks for this name (SNI) gets
    change = shown.prepare("new-ca", "")   # slow, may run in a thread: makes keys
    shown.show(change)                     # quick: from now on, new connections get it

Connections that are up keep what they were shown: nothing here touches them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sbc_sim.net import certificates
from sbc_sim.net.certificates import Credentials, Flaw
from sbc_sim.net.pem_files import CertificateError, PrivateKey


class How(StrEnum):
    """What a rotation leads to."""

    ORIGINAL = "original"
    """Back to what the settings say."""
    NEW_LEAF = "new-leaf"
    """Another certificate and key under the same CA: what a partner that trusts the CA need not notice. Where files are set that is
    what they hold by now, for their CA is none of ours."""
    NEW_CA = "new-ca"
    """Another certificate under another CA: partners must trust that one first."""
    EXPIRED = "expired"
    WRONG_NAME = "wrong-name"
    SELF_SIGNED = "self-signed"
    MISSING_INTERMEDIATE = "missing-intermediate"


_FLAWS = {How.EXPIRED, How.WRONG_NAME, How.SELF_SIGNED, How.MISSING_INTERMEDIATE}
EVERYWHERE = ""
"""In place of a region's name."""


@dataclass(frozen=True, slots=True)
class Change:
    """What is shown instead of what the settings say, in one region or everywhere."""

    how: How
    region: str
    ca: Credentials | None
    """Who issues; None: self-signed, or the original."""
    key: PrivateKey | None

    @property
    def flaw(self) -> Flaw | None:
        """What is wrong with it on purpose."""
        return Flaw(self.how) if self.how in _FLAWS else None


@dataclass(frozen=True, slots=True)
class Files:
    """A certificate and its key that somebody set, to be read again on each way back to the original."""

    certificate: Path
    key: Path

    def load(self) -> Credentials:
        """Read them. Raises `CertificateError`."""
        return certificates.load_own(self.certificate, self.key)


def how_named(word: str) -> How:
    """Read what people write: ``new CA``, ``new_leaf``, ``back``. Raises ValueError that names the words there are."""
    plain = "-".join(word.lower().replace("_", " ").replace("-", " ").split())
    known = {**{how.value: how for how in How}, "back": How.ORIGINAL, "none": How.ORIGINAL}
    if plain not in known:
        raise ValueError(f"{word!r} is not known: use one of {', '.join(how.value for how in How)}")
    return known[plain]


class ShownCertificates:
    """What is shown now, by region. Made by the common certificate; those of regions are issued when first asked for."""

    def __init__(
        self,
        common: Credentials,
        names: Sequence[str],
        *,
        hosts: Mapping[str, str],
        directory: Path,
        issues: bool = True,
        files: Mapping[str, Files] | None = None,
        flaw: Flaw | None = None,
    ) -> None:
        """`names` are those of the common certificate, `hosts` maps a region's host name to the region.

        `issues` False: the common certificate is no work of the CA in `directory`, so that regions show it too unless `files`, by region
        ("" for everybody), says otherwise. `flaw` is what the settings ask for. Raises `CertificateError`.
        """
        self._original = common
        self._names = tuple(names)
        self._hosts = {host.lower(): region for host, region in hosts.items() if host}
        self._host_of = {region: host for host, region in self._hosts.items()}
        self._directory = directory
        self._issues = issues
        self._files = dict(files or {})
        self._ca: Credentials | None = None
        self._changes: dict[str, Change] = {}
        self._made: dict[str, Credentials] = {}
        self._own = {region: pair.load() for region, pair in self._files.items() if region}
        self._as_set = Change(How.ORIGINAL, EVERYWHERE, None, None) if flaw is None else self.prepare(How(flaw.value))
        self.of(EVERYWHERE)

    @property
    def common(self) -> Credentials:
        """What is shown to clients that name no region."""
        return self.of(EVERYWHERE)

    def of(self, region: str) -> Credentials:
        """Give what is shown in a region; "" is everywhere else. Raises `CertificateError`."""
        if region not in self._made:
            self._made[region] = self._make(region)
        return self._made[region]

    def to(self, server_name: str) -> Credentials | None:
        """Give what a client gets that asks for this name; None when no region has it. Raises `CertificateError`."""
        region = self._hosts.get(server_name.lower().rstrip("."))
        return None if region is None else self.of(region)

    def has_made(self, region: str) -> bool:
        """Tell whether there is a certificate for a region by now: most are never asked for."""
        return region in self._made

    def change_of(self, region: str) -> Change:
        """Tell what is shown there, and how it came to be."""
        found = self._changes.get(region) or self._changes.get(EVERYWHERE)
        return self._as_set if found is None or found.how is How.ORIGINAL else found

    @property
    def changes(self) -> list[Change]:
        """What is shown instead of what the settings say."""
        return [change for change in self._changes.values() if change.how is not How.ORIGINAL]

    @property
    def on_purpose(self) -> str | None:
        """What settings or a rotation want to be shown that partners may notice, by its word; None: nothing but a new leaf."""
        every = (change.how for change in (self._as_set, *self.changes))
        return next((how.value for how in every if how not in (How.ORIGINAL, How.NEW_LEAF)), None)

    # --- rotation ------------------------------------------------------------------------------------------------------

    def prepare(self, how: How, region: str = EVERYWHERE, other_ca: Credentials | None = None) -> Change:
        """Make what a change needs: up to a second for new keys, so fit for a thread; nothing has changed yet.

        `other_ca`: the one of NEW_CA, when another replica has made it. Raises `CertificateError`.
        """
        if how is How.ORIGINAL:
            return Change(how, region, None, None)
        if how is How.NEW_LEAF and self._by_files(region):
            self._check_renewed(region)
            return Change(how, region, None, None)
        if how is How.SELF_SIGNED:
            return Change(how, region, None, certificates.new_key())
        ca = (other_ca or certificates.other_ca()) if how is How.NEW_CA else certificates.local_ca(self._directory)
        return Change(how, region, ca, certificates.new_key())

    def _by_files(self, region: str) -> bool:
        """Tell whether what a region shows without a rotation comes from files that somebody set; "" is everywhere else."""
        return region in self._files or not self._issues

    def _check_renewed(self, region: str) -> None:
        """Raise `CertificateError` when no file of a region ("": of all) holds another certificate than when it was read."""
        if region and region not in self._files:
            raise CertificateError(f"{region} shows the certificate of tls.cert_file: rotate without a region")
        counting = {name: pair for name, pair in self._files.items() if region in (name, EVERYWHERE)}
        if all(pair.load().leaf == (self._own[name] if name else self._original).leaf for name, pair in counting.items()):
            paths = ", ".join(str(pair.certificate) for pair in counting.values())
            raise CertificateError(
                f"only the CA that issued {paths} can issue another under the same CA, and it is the one that was read before: "
                "put the renewed certificate and key there first, or rotate to new-ca"
            )

    def show(self, change: Change) -> None:
        """Show it from now on; one for everywhere ends those of single regions. Raises `CertificateError`, and nothing has changed then."""
        before = dict(self._changes), dict(self._made), self._original, dict(self._own)
        try:
            self._apply(change)
            self.of(change.region)
        except CertificateError:
            self._changes, self._made, self._original, self._own = before
            raise

    def _apply(self, change: Change) -> None:
        if change.region == EVERYWHERE:
            self._changes.clear()
        self._changes[change.region] = change
        self._made.clear()
        if change.how in (How.ORIGINAL, How.NEW_LEAF):
            self._read_again(change.region)

    def _read_again(self, region: str) -> None:
        """Files that were replaced meanwhile count from now on, as after a restart."""
        for name, pair in self._files.items():
            if region in (name, EVERYWHERE):
                if name:
                    self._own[name] = pair.load()
                else:
                    self._original = pair.load()

    # --- making --------------------------------------------------------------------------------------------------------

    def _make(self, region: str) -> Credentials:
        change = self.change_of(region)
        names = self._names_of(region)
        if change.key is not None and not (change.how is How.NEW_LEAF and self._by_files(region)):
            return certificates.issue_in_memory(change.ca, names, change.key, change.flaw)
        if region in self._own:
            return self._own[region]
        if region == EVERYWHERE or region not in self._host_of or not self._issues:
            return self._original
        if self._ca is None:
            self._ca = certificates.local_ca(self._directory)
        # The key is that of the common certificate: a new one would hold up all calls for a tenth of a second.
        return certificates.issue_in_memory(self._ca, names, self._original.key)

    def _names_of(self, region: str) -> tuple[str, ...]:
        host = self._host_of.get(region)
        return self._names if host is None else (host, *self._names)
