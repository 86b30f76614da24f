"""The chart on a real cluster, called by a real SIP client from another host: `make test-kubernetes` (root, about five minutes).

Kubernetes 1.20 with two nodes, each a network namespace on this machine (cluster.sh). Not collected by `make test`.
"""

from __future__ import annotations

import re
import secrets
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.end_to_end.clients.audio import compare
from tests.end_to_end.clients.baresip_debian import DebianBaresip
from tests.end_to_end.clients.call import CallWish, RealCall, calling
from tests.end_to_end.clients.conversation import wait_until
from tests.end_to_end.conftest import Saying
from tests.kubernetes.cluster import (
    CHART,
    GATEWAY,
    HERE,
    IMAGE,
    IN_PARTNER,
    NAME,
    NODES,
    PARTNER,
    RELEASE,
    Failed,
    Pod,
    ca,
    helm,
    installed,
    kubectl,
    left,
    pods,
    sh,
    state,
    values,
    wait_pods,
)
from tests.kubernetes.database import Database

pytestmark = pytest.mark.timeout(600)

ENOUGH = 0.8
"""Of what was said comes back as a copy."""


@pytest.fixture(scope="session", autouse=True)
def cluster() -> Iterator[None]:
    """Two nodes with our image, and a host for the partner."""
    script = HERE / "cluster.sh"
    sh(script, "down")
    try:
        sh(script, "up")
        for name, address in NODES.items():
            sh(script, "node", name, address.rpartition(".")[2])
            sh(script, "image", name, IMAGE)
        sh(script, "host", "partner", PARTNER.rpartition(".")[2])
        wait_until(lambda: len(kubectl("get", "nodes", "-o", "name").split()) == len(NODES), "the nodes are known", 90)
        kubectl("wait", "--for=condition=Ready", "node", *NODES, "--timeout=90s")
        yield
    finally:
        sh(script, "down")


@pytest.fixture
def saying(tmp_path: Path, request: pytest.FixtureRequest) -> Saying:
    """Three seconds, different in every test."""
    return Saying(tmp_path, 3.0, seed=sum(request.node.nodeid.encode()))


@contextmanager
def called(host: str, port: int, saying: Saying, folder: Path) -> Iterator[RealCall]:
    """A call by baresip from the partner's host, answered."""
    folder.mkdir(exist_ok=True)
    wish = CallWish(host, port, ca(folder), saying.wav)
    with calling(DebianBaresip(PARTNER, IN_PARTNER), wish, folder) as call:
        call.wait_answered()
        yield call


def call_id(call: RealCall) -> str:
    return call.conversation.wait_for(r"(?i)^Call-ID: *(\S+)").group(1)


def heard_back(call: RealCall, saying: Saying) -> None:
    call.wait_heard(saying.seconds + 1.5)
    echo = compare(saying.samples, call.heard())
    assert echo.fraction >= ENOUGH, f"{echo}\n{call.trace()}"


def judged(pod: Pod, call: RealCall) -> dict[str, object]:
    """The call once it is over: nothing failed."""
    told = pod.wait(call_id(call), "ended")
    findings = pod.ask(f"/api/v1/calls/{told['id']}/verdict")["findings"]
    assert not [one for one in findings if one["status"] == "fail"], findings
    return told


def answer_of(call: RealCall) -> str:
    """Contact and SDP of the 200."""
    return call.conversation.wait_for(r"(?s)^SIP/2\.0 200 .*?^Contact: .*?^m=audio [^\n]*").group()


# --- each exposure -----------------------------------------------------------------------------------------------------------


def test_in_the_cluster_helm_test_places_a_call_and_uninstall_leaves_nothing() -> None:
    with installed():
        told = helm("test", RELEASE, "--logs")
        assert "passed" in told
        assert "INVITE" in told
    assert not left()


def test_helm_test_fails_where_a_rule_does() -> None:
    with installed("settings.uui.limit=20", "settings.uui.over_limit=refuse"):
        with pytest.raises(Failed, match=r"SBC-UUI-\d{3}"):
            helm("test", RELEASE, "--logs")
        with suppress(Failed):
            kubectl("delete", "pod", f"{NAME}-test")


@pytest.mark.parametrize("advertised", ["hostIP", NODES["n1"]])
def test_through_node_ports_a_partner_on_another_host_hears_itself(advertised: str, saying: Saying, tmp_path: Path) -> None:
    with installed("exposure=nodePort", f"advertised.sip={advertised}", "nodeSelector.kubernetes\\.io/hostname=n1"):
        [pod] = pods()
        with called(NODES["n1"], 30061, saying, tmp_path) as call:
            heard_back(call, saying)
            call.hang_up()
        assert f"{NODES['n1']}:30061" in answer_of(call)
        assert f"c=IN IP4 {NODES['n1']}" in answer_of(call)
        told = judged(pod, call)
        assert PARTNER in str(told["media"]["remote"]), "the partner's own address is kept"


def test_on_the_hosts_network_a_partner_on_another_host_hears_itself(saying: Saying, tmp_path: Path) -> None:
    with installed("exposure=hostNetwork"):
        [pod] = pods()
        assert pod.ip == NODES[pod.node]
        with called(pod.ip, 5061, saying, tmp_path) as call:
            heard_back(call, saying)
            call.hang_up()
        assert f"c=IN IP4 {pod.ip}" in answer_of(call)
        judged(pod, call)
        assert "passed" in helm("test", RELEASE, "--logs")


def test_through_load_balancers_a_partner_on_another_host_hears_itself(saying: Saying, tmp_path: Path) -> None:
    """No cloud is here: what its controller does, giving the services their addresses, is done by hand; the rest is kube-proxy's."""
    addresses = {"sip": "10.79.1.20", "media": "10.79.1.21"}
    given = threading.Thread(target=_give_addresses, args=(addresses,))
    sets = ("exposure=loadBalancer", f"advertised.sip={addresses['sip']}", f"advertised.media={addresses['media']}")
    with installed(*sets, during=given.start):
        given.join()
        [pod] = pods()
        for address in addresses.values():  # the balancer's way to the node with the pod
            sh(*IN_PARTNER, "ip", "route", "replace", address, "via", NODES[pod.node])
        with called(addresses["sip"], 5061, saying, tmp_path) as call:
            heard_back(call, saying)
            call.hang_up()
        assert f"c=IN IP4 {addresses['media']}" in answer_of(call)
        judged(pod, call)


def _give_addresses(addresses: dict[str, str]) -> None:
    proxy = f"/api/v1/namespaces/default/services/{NAME}-"
    for name, address in addresses.items():
        wait_until(lambda name=name: f"service/{NAME}-{name}" in kubectl("get", "services", "-o", "name"), f"service {name}")
        body = f'{{"status":{{"loadBalancer":{{"ingress":[{{"ip":"{address}"}}]}}}}}}'
        _patch_status(f"{proxy}{name}/status", body)


def _patch_status(path: str, body: str) -> None:
    from tests.kubernetes.cluster import STATE

    pki = STATE / "pki"
    sh(
        "curl", "--silent", "--show-error", "--fail", "-X", "PATCH", "-H", "Content-Type: application/merge-patch+json", "-d", body,
        "--cacert", pki / "ca.crt", "--cert", pki / "admin.crt", "--key", pki / "admin.key", f"https://{GATEWAY}:16443{path}",
    )  # fmt: skip


# --- what happens to pods ------------------------------------------------------------------------------------------------------


def test_an_upgrade_during_a_call_ends_it_in_order_and_does_not_wait_for_ports_forever(saying: Saying, tmp_path: Path) -> None:
    with installed("exposure=hostNetwork", "nodeSelector.kubernetes\\.io/hostname=n1"):
        [before] = pods()
        with called(before.ip, 5061, saying, tmp_path / "first") as call:
            sets = ("exposure=hostNetwork", "nodeSelector.kubernetes\\.io/hostname=n1", "settings.uui.missing=warn")
            helm("upgrade", RELEASE, str(CHART), *values(*sets), "--wait", "--timeout", "120s")
            call.wait_closed()
            assert re.search(r"(?m)^BYE sip:", call.trace()), "the call was given up without BYE"
            assert re.search(r"(?mi)^Reason: ", call.trace())
        [after] = wait_pods(1, (before.name,))
        with called(after.ip, 5061, saying, tmp_path / "second") as call:
            heard_back(call, saying)
            call.hang_up()
        judged(after, call)


def test_calls_that_may_drain_go_on_with_audio_while_another_pod_takes_over(saying: Saying, tmp_path: Path) -> None:
    with installed("settings.limits.drain_seconds=60", "exposure=hostNetwork"):
        [before] = pods()
        with called(before.ip, 5061, saying, tmp_path) as call:
            kubectl("delete", "pod", before.name, "--wait=false")
            [after] = wait_pods(1, (before.name,))
            assert after.node != before.node, "its ports are still held"
            heard_back(call, saying)
            assert not re.search(r"(?m)^@closed", call.trace())
            call.hang_up()
        wait_until(lambda: before.name not in kubectl("get", "pods", "-o", "name"), "the old pod ends with its last call", 60, state)


def test_a_pod_that_is_killed_is_replaced_and_new_calls_go_on(saying: Saying, tmp_path: Path) -> None:
    with installed("exposure=nodePort", "advertised.sip=hostIP", "nodeSelector.kubernetes\\.io/hostname=n2"):
        [before] = pods()
        first_ca = ca(tmp_path).read_bytes()
        with called(NODES["n2"], 30061, saying, tmp_path / "first"):
            kubectl("delete", "pod", before.name, "--grace-period=0", "--force")
        [after] = wait_pods(1, (before.name,))
        assert ca(tmp_path).read_bytes() == first_ca, "partners would have to import another CA"
        with called(NODES["n2"], 30061, saying, tmp_path / "second") as call:
            heard_back(call, saying)
            call.hang_up()
        judged(after, call)


def test_settings_that_cannot_be_used_never_get_ready_and_the_log_says_why() -> None:
    wrong = ["--set-json", 'extraEnv=[{"name":"SBC_SIM_UUI__MISSING","value":"perhaps"}]']
    try:
        with pytest.raises(Failed):
            helm("install", RELEASE, str(CHART), *values(), *wrong, "--wait", "--timeout", "20s")
        log = kubectl("logs", "-l", "app.kubernetes.io/component=simulator", "-c", "sbc-sim")
        assert "SBC_SIM_UUI__MISSING): 'perhaps': input should be 'reject' or 'warn'" in log
        assert "Traceback" not in log
    finally:
        helm("uninstall", RELEASE, "--wait")
        wait_until(lambda: not left(), "nothing is left", 60, lambda: "\n".join(left()))


# --- several replicas ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """PostgreSQL on this machine, which pods reach at the gateway; its password in a Secret."""
    with Database(GATEWAY, secrets.token_hex(8)) as database:
        kubectl("create", "secret", "generic", "database", f"--from-literal=password={database.password}")
        try:
            yield database
        finally:
            kubectl("delete", "secret", "database")


def replicas(database: Database, *more: str) -> tuple[str, ...]:
    own = ("exposure=hostNetwork", "replicas=2", f"store.url={database.url}", "store.existingSecret=database", *more)
    return (*own, "podDisruptionBudget.enabled=true")


def test_replicas_on_two_nodes_are_one_simulator(database: Database, saying: Saying, tmp_path: Path) -> None:
    with installed(*replicas(database)):
        one, two = wait_pods(2)
        assert {one.node, two.node} == set(NODES)
        with called(one.ip, 5061, saying, tmp_path / "one") as at_one, called(two.ip, 5061, saying, tmp_path / "two") as at_two:
            for pod in (one, two):
                assert pod.wait(call_id(at_one), "answered")["replica"] == one.name
                assert pod.wait(call_id(at_two), "answered")["replica"] == two.name
            heard_back(at_one, saying)
            known = two.wait(call_id(at_one), "answered")
            two.ask(f"/api/v1/calls/{known['id']}/hangup", {})  # by the replica that does not own it
            at_one.wait_closed()
            at_two.hang_up()
        assert two.wait(call_id(at_one), "ended")["endedBy"] == "sbc"
        assert one.wait(call_id(at_two), "ended")["endedBy"] == "partner"
        assert "passed" in helm("test", RELEASE, "--logs")


def test_the_calls_of_a_killed_replica_are_ended_as_lost_by_the_other(database: Database, saying: Saying, tmp_path: Path) -> None:
    with installed(*replicas(database)):
        one, two = wait_pods(2)
        with called(one.ip, 5061, saying, tmp_path / "one") as call:
            told = two.wait(call_id(call), "answered")
            kill_the_process_of(one)
            ended = two.wait(call_id(call), "ended")
        assert (ended["endedBy"], ended["endReason"]) == ("sbc", "lost")
        assert ended["id"] == told["id"]
        wait_pods(2)
        with called(two.ip, 5061, saying, tmp_path / "two") as call:
            heard_back(call, saying)
            call.hang_up()


def kill_the_process_of(pod: Pod) -> None:
    """Kill -9 the simulator in a pod, as a crash would end it."""
    from tests.kubernetes.cluster import STATE

    listed = sh("ctr", "-a", STATE / pod.node / "run" / "containerd.sock", "-n", "k8s.io", "containers", "ls", "-q").split()
    tasks = sh("ctr", "-a", STATE / pod.node / "run" / "containerd.sock", "-n", "k8s.io", "tasks", "ls")
    for container in listed:
        number = re.search(rf"(?m)^{container}\s+(\d+)\s+RUNNING", tasks)
        if number and b"sbc-sim" in Path(f"/proc/{number[1]}/cmdline").read_bytes():
            subprocess.run(["kill", "-KILL", number[1]], check=True)
            return
    raise Failed(f"no process of {pod.name}\n{tasks}")


def test_a_node_that_is_drained_hands_over_to_the_other(database: Database, saying: Saying, tmp_path: Path) -> None:
    with installed(*replicas(database)):
        one, two = wait_pods(2)
        try:
            with called(two.ip, 5061, saying, tmp_path / "two") as call:
                kubectl("drain", two.node, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=90s")
                call.wait_closed()
                assert re.search(r"(?m)^BYE sip:", call.trace())
            assert [pod.name for pod in pods()] == [one.name]
            assert one.wait(call_id(call), "ended")["endedBy"] == "sbc"
            with called(one.ip, 5061, saying, tmp_path / "one") as call:
                heard_back(call, saying)
                call.hang_up()
        finally:
            kubectl("uncordon", two.node)
        assert {pod.node for pod in wait_pods(2)} == set(NODES)
