"""Values that cannot work are refused before anything is installed, in words that name the value and the cure."""

from __future__ import annotations

import pytest

from tests.helm.chart import Helm, Refused

pytestmark = pytest.mark.partners

POSTGRES = "store.url=postgresql://sbcsim@postgres/sbcsim"
REFUSALS = [
    (["exposure=nodePort"], "advertised.sip is needed with exposure nodePort", "the address at which partners reach a node"),
    (["exposure=loadBalancer"], "advertised.sip is needed with exposure loadBalancer", "reserve it first"),
    (["exposure=nodePort", "advertised.sip=sbc.example.com"], "advertised.media is needed", "UDP 31000-31019"),
    (["advertised.media=sbc.example.com"], "advertised.media is", "podIP or hostIP"),
    (["exposure=nodePort", "advertised.sip=192.0.2.1", "media.start=40000"], "outside the NodePort window", "media.start"),
    (["exposure=nodePort", "advertised.sip=192.0.2.1", "sip.service.nodePort=5061"], "SIP port 5061", "sip.service.nodePort"),
    (["exposure=nodePort", "advertised.sip=hostIP", "media.service.externalTrafficPolicy=Cluster"], "its own pod", "to Local"),
    (
        ["advertised.sip=1.2.3.4:99999"],
        'advertised.sip is "1.2.3.4:99999": a port is 1 to 65535',
        "takes the port that partners reach, 5061",
    ),
    (["advertised.sip=http://192.0.2.1"], 'advertised.sip is "http://192.0.2.1": write HOST, HOST:PORT', "without a scheme"),
    (["advertised.sip=999.1.1.1"], "no IP address", "write one such as 192.0.2.10"),
    (["advertised.sip=hostip"], 'advertised.sip is "hostip"', "write it as hostIP"),
    (["advertised.sip=localhost"], "no partner can reach that name", "sbc.example.com"),
    (["advertised.media=192.0.2.300"], "no IP address", "write one such as 192.0.2.10"),
    (["advertised.media=127.0.0.1"], "no partner can reach that address", "at which partners reach the simulator"),
    (["advertised.media=224.0.0.1"], "no partner can reach that address", "at which partners reach the simulator"),
    (["advertised.media=2001:db8::1"], "the pod's sockets are IPv4", "set ipFamily to IPv6"),
    (["advertised.sip=hostIP"], "with clusterIP no port is open on the node", "Use podIP"),
    (["exposure=loadBalancer", "advertised.sip=hostIP"], "with loadBalancer no port is open on the node", "balancers' addresses"),
    (["advertised.sip=podIP:5999"], "the port that is open there is 5061", "set sip.port to 5999"),
    (["exposure=nodePort", "advertised.sip=hostIP:5061"], "the port that is open there is 30061", "set sip.service.nodePort"),
    (["sip.port=8061"], "http.port is 8061, which sip.port has", "set another"),
    (["exposure=hostNetwork", "sip.port=443"], "ports below 1024 need rights", "1024 or more"),
    (["http.service.type=NodePort", "http.service.nodePort=8061"], "outside the NodePort window", "null for any"),
    (
        ["exposure=nodePort", "advertised.sip=192.0.2.1", "http.service.type=NodePort", "http.service.nodePort=30061"],
        "http.service.nodePort is 30061, a NodePort that sip.service.nodePort has",
        "set another",
    ),
    (["exposure=nodePort", "advertised.sip=192.0.2.1", "sip.service.nodePort=31000"], "a NodePort that media has", "set another"),
    (["replicas=2"], "each pod would have for itself", "store.url to postgresql://"),
    (["replicas=2", "persistence.enabled=true"], "sqlite:/data/sbc-sim.sqlite", "store.url to postgresql://"),
    (
        ["replicas=2", POSTGRES, "exposure=loadBalancer", "advertised.sip=192.0.2.1"],
        "all pods would advertise 192.0.2.1",
        "advertised.media to podIP (where",
    ),
    (["replicas=2", POSTGRES, "exposure=loadBalancer", "advertised.sip=hostIP"], "no port is open on the node", "or podIP where"),
    (["replicas=2", POSTGRES, "persistence.enabled=true"], "one pod alone could start", "persistence.enabled to false"),
    (["store.url=postgresql://sbcsim:geheim@postgres/sbcsim"], "store.url holds a password", "store.existingSecret"),
    (["store.url=postgresql://sbcsim:p/geheim@postgres/sbcsim"], "store.url holds a password", "store.existingSecret"),
    (["store.url=postgresql://sbcsim@postgres/sbcsim?password=geheim"], "store.url holds a password", "store.existingSecret"),
    (["store.url=mysql://geheim", "replicas=2"], "store.url is", "postgresql://USER@HOST:PORT/DATABASE"),
    (["store.url=mysql://x"], "store.url is", "postgresql://USER@HOST:PORT/DATABASE"),
    (["store.url=sqlite:/var/calls.db"], "only /data and /tmp can be written", "sqlite:/data/FILE"),
    (["tls.mode=secret"], "tls.mode secret needs tls.existingSecret", "kubectl create secret tls"),
    (["tls.mode=certManager"], "tls.mode certManager needs", "tls.certManager.issuerRef.name"),
    (["tls.partnerCA.secret=a", "tls.partnerCA.configMap=b"], "a Secret and a ConfigMap", "one of them"),
    (["http.ingress.enabled=true"], "http.ingress.enabled needs", "http.ingress.host"),
    (["settings.limits.calls=20"], "the media ports carry 10", "media.count to 40"),
    (["media.extraRanges[0].start=31010", "media.extraRanges[0].count=20"], "media port 31010 stands in two ranges", "must not overlap"),
    (["media.start=31001"], "an odd start loses a call", "media.start is 31001"),
    (["media.extraRanges[0].start=31100", "media.extraRanges[0].count=20"], "31100-31119, is used by no region", "media.count"),
    (["media.start=65530"], "beyond port 65535", "media.start"),
    (["settings.sip.listen=0.0.0.0:5062"], "settings.sip.listen is set by the chart", "use sip.port"),
    (["settings.http.token=secret-token"], "settings.http.token is set by the chart", "http.existingSecret"),
    (["settings.hep.password=geheim"], "settings.hep.password", "secretKeyRef"),
    (["extraEnv[0].name=SBC_SIM_SIP__ADVERTISED", "extraEnv[0].value=x"], "which the chart sets", "use advertised.sip"),
    (["extraEnv[0].name=SBC_SIM_FOO__BAR", "extraEnv[0].value=x"], "no variable of the simulator", "docs/settings.md"),
    (["extraEnv[0].name=SBC_SIM_HEP__PASSWORD", "extraEnv[0].value=geheim"], "in plain text", "valueFrom.secretKeyRef"),
    (["settings.regions.frankfurt.listen=0.0.0.0:5062"], "no service opens port 5062", "sip.extraPorts"),
    (["settings.regions.frankfurt.media_ports=32000-32009"], "no service opens those ports", "media.extraRanges"),
    (["exposur=nodePort"], "additional properties 'exposur' not allowed", ""),
    (["exposure=ingress"], "/exposure", "'clusterIP', 'nodePort', 'loadBalancer', 'hostNetwork'"),
    (["settings.uui.mising=warn"], "/settings/uui", "additional properties 'mising' not allowed"),
    (["settings.uui.missing=perhaps"], "/settings/uui/missing", "'reject', 'warn'"),
    (["sip.service.nodeport=1"], "/sip/service", "additional properties 'nodeport' not allowed"),
    (["replicas=many"], "/replicas", "want integer"),
    (["media.count=21"], "/media/count", "multipleOf"),
    (["affinity.podAntiAfinity=x"], "/affinity", "not allowed"),
    (["resources.limits.memory=lots"], "/resources/limits/memory", ""),
]


@pytest.mark.parametrize(("sets", "said", "cure"), REFUSALS, ids=[" ".join(sets) for sets, _, _ in REFUSALS])
def test_values_that_cannot_work_are_refused_with_the_cure(helm: Helm, sets: list[str], said: str, cure: str) -> None:
    with pytest.raises(Refused) as refusal:
        helm.template(*sets)
    assert said in str(refusal.value)
    assert cure in str(refusal.value)
    assert "nil pointer" not in str(refusal.value)
    assert "geheim" not in str(refusal.value)
