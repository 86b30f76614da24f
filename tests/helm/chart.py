"""The chart rendered by the real helm, as objects that a test can look into."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "helm" / "sbc-sim"
CASES = sorted((CHART / "ci").glob("*-values.yaml"))
RELEASE = "sbc-sim"


def helm_binary() -> str | None:
    """Find helm: where .ci/install-partners puts it, else in PATH."""
    own = Path(sys.prefix) / "bin" / "helm"
    return str(own) if own.exists() else shutil.which("helm")


class Refused(Exception):
    """What helm says against values."""


@dataclass(frozen=True)
class Rendered:
    """The manifests of one `helm template`."""

    objects: list[dict[str, Any]]

    def all(self, kind: str) -> list[dict[str, Any]]:
        """Give every object of a kind."""
        return [one for one in self.objects if one["kind"] == kind]

    def one(self, kind: str, name: str | None = None) -> dict[str, Any]:
        """Give the object of a kind, or of a kind and name."""
        found = [each for each in self.all(kind) if name in (None, each["metadata"]["name"])]
        assert len(found) == 1, f"{len(found)} {kind} {name or ''}"
        return found[0]

    @property
    def pod(self) -> dict[str, Any]:
        """Give the spec of the simulator's pod."""
        spec: dict[str, Any] = self.one("Deployment")["spec"]["template"]["spec"]
        return spec

    @property
    def container(self) -> dict[str, Any]:
        """Give its container."""
        container: dict[str, Any] = self.pod["containers"][0]
        return container

    @property
    def environment(self) -> dict[str, Any]:
        """Give its variables: text, or where it comes from."""
        return {one["name"]: one.get("value", one.get("valueFrom")) for one in self.container["env"]}

    @property
    def settings_file(self) -> str:
        """Give the settings file that the ConfigMap holds."""
        text: str = self.one("ConfigMap", RELEASE)["data"]["config.yaml"]
        return text


@dataclass(frozen=True)
class Helm:
    """The program."""

    binary: str

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run it."""
        return subprocess.run([self.binary, *arguments], capture_output=True, text=True, check=False, timeout=60)

    def template(self, *sets: str, files: Iterable[Path] = (), kubernetes: str = "1.33.0") -> Rendered:
        """Render the chart with NAME=VALUE pairs and files of values. Raises Refused."""
        options = [option for one in sets for option in ("--set", one)]
        options += [option for one in files for option in ("--values", str(one))]
        done = self.run("template", RELEASE, str(CHART), "--namespace", "voice", "--kube-version", kubernetes, *options)
        if done.returncode != 0:
            raise Refused(done.stderr)
        return Rendered([one for one in yaml.safe_load_all(done.stdout) if one])
