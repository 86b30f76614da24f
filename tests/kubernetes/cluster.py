"""The cluster of cluster.sh as the checks use it: kubectl, helm, and what stands around it on its network."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import urllib.request
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.end_to_end.clients.conversation import wait_until

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CHART = ROOT / "helm" / "sbc-sim"
STATE = Path(os.environ.get("KUBERNETES_LAB", Path.home() / ".cache" / "sbc-sim-lab")) / "cluster"
IMAGE = "localhost/sbc-sim:dev"
GATEWAY = "10.79.0.254"
"""This machine, as nodes, pods and partners see it."""
PARTNER = "10.79.0.50"
"""A host on the nodes' network that has no Kubernetes."""
IN_PARTNER = ("nsenter", "--net=/run/netns/sbcsim-partner")
NODES = {"n1": "10.79.0.1", "n2": "10.79.0.2"}
PROGRAMS = Path(sys.prefix) / "bin"
RELEASE = "sim"
NAME = "sim-sbc-sim"


class Failed(AssertionError):
    """A command did not do what it was asked."""


def sh(*command: str | Path, timeout: float = 600) -> str:
    """Run a command; give what it printed. Raises Failed."""
    environment = {**os.environ, "KUBECTL": str(PROGRAMS / "kubectl"), "KUBECONFIG": str(STATE / "admin.conf")}
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, timeout=timeout, env=environment)
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, command))}\nended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def kubectl(*words: str, timeout: float = 120) -> str:
    """Ask the API server."""
    return sh(PROGRAMS / "kubectl", *words, timeout=timeout)


def objects(kind: str, *words: str) -> list[dict[str, Any]]:
    """List objects of the namespace."""
    found: list[dict[str, Any]] = json.loads(kubectl("get", kind, "-o", "json", *words))["items"]
    return found


def helm(*words: str, timeout: float = 300) -> str:
    """Run helm."""
    return sh(PROGRAMS / "helm", *words, timeout=timeout)


@dataclass(frozen=True)
class Pod:
    """A pod of the simulator."""

    name: str
    ip: str
    node: str
    token: str = field(repr=False)

    def ask(self, path: str, body: dict[str, Any] | None = None, method: str | None = None) -> Any:
        """Ask this pod's API."""
        data = None if body is None else json.dumps(body).encode()
        heads = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"http://{self.ip}:8061{path}", data, heads, method=method)
        with urllib.request.urlopen(request, timeout=70) as answer:
            return json.loads(answer.read() or b"null")

    def wait(self, sip_call_id: str, state: str) -> dict[str, Any]:
        """Wait for a call."""
        wish = {"match": {"sipCallId": sip_call_id}, "state": state, "timeoutS": 60}
        call: dict[str, Any] = self.ask("/api/v1/calls/wait", wish)
        return call


def token() -> str:
    """Read the token that the chart made."""
    data = json.loads(kubectl("get", "secret", f"{NAME}-http", "-o", "json"))["data"]
    return b64decode(data["token"]).decode()


def ca(folder: Path) -> Path:
    """Read the CA as NOTES says, into a file."""
    file = folder / "ca.pem"
    file.write_bytes(b64decode(json.loads(kubectl("get", "secret", f"{NAME}-ca", "-o", "json"))["data"]["tls.crt"]))
    return file


def pods() -> list[Pod]:
    """List the pods that are ready, by node."""
    key = token()
    found = []
    for one in objects("pods", "-l", "app.kubernetes.io/component=simulator"):
        ready = any(state["type"] == "Ready" and state["status"] == "True" for state in one["status"].get("conditions", []))
        if ready and "deletionTimestamp" not in one["metadata"]:
            found.append(Pod(one["metadata"]["name"], one["status"]["podIP"], one["spec"]["nodeName"], key))
    return sorted(found, key=lambda pod: pod.node)


def wait_pods(number: int, but: tuple[str, ...] = ()) -> list[Pod]:
    """Wait until so many pods are ready, none of the names among them."""
    wait_until(lambda: len(pods()) == number and not {pod.name for pod in pods()} & set(but), f"{number} pods are ready", 120, state)
    return pods()


def state() -> str:
    """What a failure should show."""
    with contextlib.suppress(Exception):
        shown = kubectl("get", "pods,services,events", "-o", "wide")
        for one in objects("pods"):
            shown += f"\n--- {one['metadata']['name']}\n" + kubectl("logs", one["metadata"]["name"], "--all-containers", "--tail=40")
        return shown
    return "the cluster does not answer"


def values(*sets: str) -> list[str]:
    """Options of helm: the image of this machine, and NAME=VALUE pairs."""
    own = ("image.repository=localhost/sbc-sim", "image.tag=dev", "image.pullPolicy=Never", "preStopSeconds=2")
    return [option for one in (*own, *sets) for option in ("--set", one)]


@contextlib.contextmanager
def installed(*sets: str, during: Callable[[], None] | None = None) -> Iterator[None]:
    """Install the chart and wait until it is ready; uninstalled after the block, and nothing of it is left."""
    try:
        if during is not None:
            during()
        helm("install", RELEASE, str(CHART), *values(*sets), "--wait", "--timeout", "120s")
        yield
    except Exception as problem:
        problem.add_note(state())
        raise
    finally:
        with contextlib.suppress(Failed):
            helm("uninstall", RELEASE, "--wait")
        wait_until(lambda: not left(), "nothing of the release is left", 60, lambda: "\n".join(left()))


KINDS = (
    "deployments,replicasets,pods,services,endpoints,configmaps,secrets,serviceaccounts,poddisruptionbudgets,networkpolicies,ingresses,pvc"
)


def left() -> list[str]:
    """Name what the release left in the namespace."""
    found = json.loads(kubectl("get", KINDS, "-o", "json"))["items"]
    return [f"{one['kind']}/{one['metadata']['name']}" for one in found if one["metadata"]["name"].startswith(RELEASE)]
