"""The chart by the real helm: every case of ci/ renders into what Kubernetes and the simulator accept, and each exposure is right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from sbc_sim.settings import load
from tests.helm.chart import CASES, CHART, RELEASE, Helm, Rendered

pytestmark = pytest.mark.partners

VERSIONS = ("1.25", "1.37")
FOREIGN = {"ServiceMonitor", "PrometheusRule", "Certificate"}
"""Kinds of the Prometheus operator and cert-manager: no schema of theirs comes with Kubernetes'."""


@pytest.fixture(scope="module", params=CASES, ids=lambda path: path.stem.removesuffix("-values"))
def case(request: pytest.FixtureRequest, helm: Helm) -> Rendered:
    """One file of ci/, rendered."""
    return helm.template(files=[request.param])


def _settings_of(rendered: Rendered, folder: Path, ip: str = "10.1.2.3") -> Any:
    """What the simulator makes of the file and the variables in the pod, whose address is `ip`."""
    file = folder / "config.yaml"
    file.write_text(rendered.settings_file)
    pod = {"POD_NAME": "sbc-sim-0", "POD_IP": ip, "HOST_IP": "192.0.2.99"}
    environment = {}
    for name, value in rendered.environment.items():
        text = value if isinstance(value, str) else "from-elsewhere"
        for variable, known in pod.items():
            text = text.replace(f"$({variable})", known)
        environment[name] = text
    return load({}, environment, file).settings


@pytest.mark.parametrize("values", CASES, ids=lambda path: path.stem)
def test_lint_finds_nothing_with_the_values_of_any_case(helm: Helm, values: Path) -> None:
    done = helm.run("lint", "--strict", str(CHART), "--values", str(values))
    assert done.returncode == 0, done.stdout + done.stderr


def test_kubernetes_accepts_every_object_of_every_case(case: Rendered) -> None:
    for one in case.objects:
        if one["kind"] not in FOREIGN:
            for version in VERSIONS:
                kubernetes_validate.validate(one, version, strict=True)


def test_the_simulator_accepts_the_settings_of_every_case(case: Rendered, tmp_path: Path) -> None:
    settings = _settings_of(case, tmp_path)
    assert settings.sip.listen.host == "0.0.0.0"
    assert settings.sip.advertised
    assert settings.media.advertised


def test_the_pod_opens_the_ports_that_the_settings_name(case: Rendered, tmp_path: Path) -> None:
    settings = _settings_of(case, tmp_path)
    opened = {(one["protocol"], one["containerPort"]) for one in case.container["ports"]}
    media = settings.media.ports
    assert {("UDP", port) for port in range(media.start, media.end + 1)} <= opened
    assert {("TCP", settings.sip.listen.port), ("TCP", settings.http.listen.port)} <= opened


def test_every_selector_finds_the_pod(case: Rendered) -> None:
    labels = case.one("Deployment")["spec"]["template"]["metadata"]["labels"]
    for service in case.all("Service"):
        assert service["spec"]["selector"].items() <= labels.items()
    test_pod = case.one("Pod")["metadata"]["labels"]
    assert not case.all("Service")[0]["spec"]["selector"].items() <= test_pod.items(), "a service would send calls to the test"


def test_the_pod_runs_without_rights_and_cannot_write_its_root(case: Rendered) -> None:
    everyone = [*case.pod["containers"], *case.pod.get("initContainers", []), *case.one("Pod")["spec"]["containers"]]
    for container in everyone:
        rights = container["securityContext"]
        assert rights["readOnlyRootFilesystem"]
        assert not rights["allowPrivilegeEscalation"]
        assert rights["capabilities"] == {"drop": ["ALL"]}
    assert case.pod["securityContext"]["runAsNonRoot"]


def test_no_secret_stands_outside_of_secrets(case: Rendered, helm: Helm) -> None:
    tokens = [one["data"].get("token") for one in case.all("Secret") if one.get("data")]
    others = [str(one) for one in case.objects if one["kind"] != "Secret"]
    assert not [text for text in others for token in tokens if token and token in text]
    assert "a-token-of-ours" not in "".join(others)


def test_a_pod_that_ends_gets_longer_than_its_calls_may_go_on(helm: Helm) -> None:
    rendered = helm.template("preStopSeconds=5", "settings.limits.drain_seconds=60")
    assert rendered.pod["terminationGracePeriodSeconds"] >= 5 + 60 + 5
    assert rendered.container["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", "5"]


def test_without_drain_seconds_the_chart_reckons_with_the_default_of_the_simulator(helm: Helm, tmp_path: Path) -> None:
    rendered = helm.template()
    drain = _settings_of(rendered, tmp_path).limits.drain_seconds
    assert rendered.pod["terminationGracePeriodSeconds"] == 3 + drain + 10


# --- exposures -----------------------------------------------------------------------------------------------------------


def _ports(service: dict[str, Any], member: str) -> list[int]:
    return [one[member] for one in service["spec"]["ports"]]


def test_node_ports_of_media_are_those_of_the_sdp(helm: Helm) -> None:
    rendered = helm.template("exposure=nodePort", "advertised.sip=192.0.2.1", "media.start=32000", "media.count=4")
    media = rendered.one("Service", f"{RELEASE}-media")
    assert _ports(media, "nodePort") == _ports(media, "port") == _ports(media, "targetPort") == [32000, 32001, 32002, 32003]


def test_a_node_port_for_sip_is_what_contact_says(helm: Helm, tmp_path: Path) -> None:
    rendered = helm.template("exposure=nodePort", "advertised.sip=192.0.2.1")
    assert _ports(rendered.one("Service", f"{RELEASE}-sip"), "nodePort") == [30061]
    settings = _settings_of(rendered, tmp_path)
    assert (settings.sip.advertised, settings.media.advertised) == ("192.0.2.1:30061", "192.0.2.1")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("sbc.example.com", "sbc.example.com:5061"),
        ("sbc.example.com:5999", "sbc.example.com:5999"),
        ("2001:db8::1", "[2001:db8::1]:5061"),
        ("[2001:db8::1]:5999", "[2001:db8::1]:5999"),
        ("podIP", "$(POD_IP):5061"),
        ("podIP:5061", "$(POD_IP):5061"),
    ],
)
def test_the_advertised_address_may_be_written_in_any_form(helm: Helm, given: str, said: str) -> None:
    rendered = helm.template("exposure=clusterIP", f"advertised.sip={given}", "advertised.media=192.0.2.1")
    assert rendered.environment["SBC_SIM_SIP__ADVERTISED"] == said


def test_where_partners_reach_pods_contact_has_the_pods_port(helm: Helm) -> None:
    rendered = helm.template("exposure=nodePort", "advertised.sip=podIP")
    assert rendered.environment["SBC_SIM_SIP__ADVERTISED"] == "$(POD_IP):5061"


def test_a_pod_with_an_ipv6_address_listens_there_and_says_so(helm: Helm, tmp_path: Path) -> None:
    rendered = helm.template("ipFamily=IPv6", "replicas=2", "store.url=postgresql://sbcsim@postgres/sbcsim")
    settings = _settings_of(rendered, tmp_path, "fd00:10:244::5")
    assert {settings.sip.listen.host, settings.http.listen.host, settings.media.listen} == {"::"}
    assert (settings.sip.advertised, settings.media.advertised) == ("[fd00:10:244::5]:5061", "fd00:10:244::5")
    assert settings.media.ipv6
    assert settings.replicas.http == "http://[fd00:10:244::5]:8061"
    assert {one["spec"]["ipFamilies"][0] for one in rendered.all("Service")} == {"IPv6"}


def test_calls_are_as_many_as_the_ports_that_regions_use_have_room_for(helm: Helm, tmp_path: Path) -> None:
    sets = ("media.extraRanges[0].start=31100", "media.extraRanges[0].count=20", "settings.regions.frankfurt.media_ports=31101-31119")
    assert _settings_of(helm.template(*sets), tmp_path).limits.calls == 10 + 9


def test_a_load_balancer_each_for_sip_and_media_keeps_the_partners_address(helm: Helm) -> None:
    rendered = helm.template(files=[CHART / "ci" / "loadbalancer-values.yaml"])
    for name, protocol in (("sip", "TCP"), ("media", "UDP")):
        spec = rendered.one("Service", f"{RELEASE}-{name}")["spec"]
        assert (spec["type"], spec["externalTrafficPolicy"]) == ("LoadBalancer", "Local")
        assert {one["protocol"] for one in spec["ports"]} == {protocol}
    assert rendered.one("Service", f"{RELEASE}-http")["spec"]["type"] == "ClusterIP"


def test_on_the_hosts_network_the_node_is_what_is_advertised(helm: Helm) -> None:
    rendered = helm.template("exposure=hostNetwork")
    assert rendered.pod["hostNetwork"]
    assert rendered.pod["dnsPolicy"] == "ClusterFirstWithHostNet"
    assert rendered.environment["SBC_SIM_MEDIA__ADVERTISED"] == "$(HOST_IP)"


@pytest.mark.parametrize(
    ("sets", "rolling"),
    [
        (("exposure=clusterIP",), {"maxSurge": 1, "maxUnavailable": 0}),
        (("exposure=hostNetwork",), {"maxSurge": 0, "maxUnavailable": 1}),
        (("exposure=nodePort", "advertised.sip=192.0.2.1"), {"maxSurge": 0, "maxUnavailable": 1}),
        (("exposure=loadBalancer", "advertised.sip=192.0.2.1"), {"maxSurge": 0, "maxUnavailable": 1}),
        (("persistence.enabled=true",), None),
    ],
)
def test_a_rollout_never_waits_for_ports_or_a_volume_that_the_old_pod_holds(
    helm: Helm, sets: tuple[str, ...], rolling: dict[str, int] | None
) -> None:
    strategy = helm.template(*sets).one("Deployment")["spec"]["strategy"]
    assert strategy.get("rollingUpdate") == rolling
    assert strategy["type"] == ("RollingUpdate" if rolling else "Recreate")


def test_replicas_that_share_node_ports_stand_on_nodes_of_their_own(helm: Helm) -> None:
    rendered = helm.template(files=[CHART / "ci" / "nodeport-replicas-values.yaml"])
    apart = rendered.pod["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert apart[0]["topologyKey"] == "kubernetes.io/hostname"
    assert rendered.environment["SBC_SIM_STORE__PASSWORD"]["secretKeyRef"]["name"] == "sbc-sim-database"


def test_an_affinity_of_the_values_does_not_let_two_pods_onto_a_node(helm: Helm) -> None:
    node = "affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution"
    sets = (
        f"{node}[0].weight=1",
        f"{node}[0].preference.matchExpressions[0].key=disk",
        f"{node}[0].preference.matchExpressions[0].operator=Exists",
    )
    rendered = helm.template(*sets, files=[CHART / "ci" / "nodeport-replicas-values.yaml"])
    assert rendered.pod["affinity"]["nodeAffinity"]
    [apart] = rendered.pod["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert apart["labelSelector"]["matchLabels"].items() <= rendered.one("Deployment")["spec"]["template"]["metadata"]["labels"].items()


# --- around it -----------------------------------------------------------------------------------------------------------


def test_the_pods_certificate_is_for_the_services_and_names_of_the_values(helm: Helm, tmp_path: Path) -> None:
    names = _settings_of(helm.template("tls.names={sbc.example.com}"), tmp_path).tls.names
    assert {"sbc-sim-sip.voice.svc", "sbc-sim-sip.voice.svc.cluster.local", "sbc.example.com"} <= set(names)


def test_a_network_policy_lets_the_releases_own_pods_in(helm: Helm) -> None:
    """Replicas ask one another by HTTP; the pod of `helm test` places a call and asks what was seen."""
    rendered = helm.template(
        *(f"networkPolicy.{name}[0].ipBlock.cidr=192.0.2.0/24" for name in ("sip", "media", "http", "egress[0].to")),
        "networkPolicy.enabled=true",
    )
    policy = rendered.one("NetworkPolicy")["spec"]
    pods = [rendered.one("Deployment")["spec"]["template"]["metadata"]["labels"], rendered.one("Pod")["metadata"]["labels"]]
    assert policy["egress"][1]["ports"] == [{"protocol": "TCP", "port": 8061}]
    for peers in [*(rule["from"] for rule in policy["ingress"]), policy["egress"][1]["to"]]:
        selectors = [peer["podSelector"]["matchLabels"] for peer in peers if "podSelector" in peer]
        assert all(any(selector.items() <= labels.items() for selector in selectors) for labels in pods)


def test_commands_in_the_pod_ask_its_simulator_with_its_token(helm: Helm) -> None:
    environment = helm.template("http.port=9061").environment
    assert environment["SBC_SIM_TOKEN"] == environment["SBC_SIM_HTTP__TOKEN"]
    assert environment["SBC_SIM_API"] == "http://127.0.0.1:9061"


def test_cert_manager_is_asked_for_names_and_addresses(helm: Helm) -> None:
    certificate = helm.template("tls.mode=certManager", "tls.certManager.issuerRef.name=ca", "tls.names={192.0.2.7,sbc.example.com}")
    spec = certificate.one("Certificate")["spec"]
    assert spec["ipAddresses"] == ["192.0.2.7"]
    assert {"sbc.example.com", "sbc-sim-sip.voice.svc"} <= set(spec["dnsNames"])
    assert spec["issuerRef"] == {"name": "ca", "kind": "Issuer", "group": "cert-manager.io"}


@pytest.mark.parametrize(("kubernetes", "group"), [("1.20.2", "policy/v1beta1"), ("1.21.0", "policy/v1"), ("1.35.0", "policy/v1")])
def test_the_disruption_budget_speaks_what_the_cluster_speaks(helm: Helm, kubernetes: str, group: str) -> None:
    rendered = helm.template("podDisruptionBudget.enabled=true", kubernetes=kubernetes)
    assert rendered.one("PodDisruptionBudget")["apiVersion"] == group


@pytest.mark.parametrize(("sets", "said"), [((), False), (("replicas=3", "store.url=postgresql://sbcsim@postgres/sbcsim"), True)])
def test_a_missing_replica_is_an_alert_where_there_are_several(helm: Helm, sets: tuple[str, ...], said: bool) -> None:
    [group] = helm.template("metrics.prometheusRule.enabled=true", *sets).one("PrometheusRule")["spec"]["groups"]
    alerts = {rule["alert"]: rule["expr"] for rule in group["rules"]}
    assert alerts["SbcSimDown"] == 'up{namespace="voice",service="sbc-sim-http"} == 0'
    assert ("SbcSimReplicaMissing" in alerts) == said


def test_without_a_token_the_page_goes_by_the_names_of_its_service(helm: Helm, tmp_path: Path) -> None:
    hosts = _settings_of(helm.template("http.auth=none"), tmp_path).http.hosts
    assert {"sbc-sim-http", "sbc-sim-http.voice.svc"} <= set(hosts)


@pytest.mark.parametrize(
    ("sets", "said"),
    [
        (
            ["advertised.sip=192.0.2.1", "sip.extraPorts[0].port=5062", "sip.extraPorts[0].nodePort=30062"],
            [
                "192.0.2.1, TCP port 30061; TLS 1.2 or 1.3, no client",
                "further listener: TCP port 30062",
                "UDP 31000-31019",
                "get secret sbc-sim-ca",
            ],
        ),
        (
            ["advertised.sip=192.0.2.1:5061"],
            [
                "Open on the nodes is TCP port 30061: 5061 must lead there",
                "SDES",
                "PCMU",
                "User-to-User: HEX;encoding=hex",
                "docs/connect.md",
            ],
        ),
    ],
)
def test_notes_say_what_the_partner_needs(helm: Helm, sets: list[str], said: list[str]) -> None:
    values = ",".join(["exposure=nodePort", *sets])
    notes = helm.run("install", RELEASE, str(CHART), "--dry-run=client", "--set", values).stdout.partition("NOTES:")[2]
    assert not [text for text in said if text not in notes]
