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
    (["replicas=2"], "each pod would have for itself", "store.url to postgresql://"),
    (["replicas=2", "persistence.enabled=true"], "sqlite:/data/sbc-sim.sqlite", "store.url to postgresql://"),
    (
        ["replicas=2", POSTGRES, "exposure=loadBalancer", "advertised.sip=192.0.2.1"],
        "all pods would advertise 192.0.2.1",
        "hostIP or podIP",
    ),
    (["replicas=2", POSTGRES, "exposure=loadBalancer", "advertised.sip=hostIP"], "not open on the node", "Use podIP"),
    (["replicas=2", POSTGRES, "persistence.enabled=true"], "one pod alone could start", "persistence.enabled to false"),
    (["store.url=postgresql://sbcsim:geheim@postgres/sbcsim"], "store.url holds a password", "store.existingSecret"),
    (["store.url=mysql://x"], "store.url is", "postgresql://USER@HOST:PORT/DATABASE"),
    (["store.url=sqlite:/var/calls.db"], "only /data and /tmp can be written", "sqlite:/data/FILE"),
    (["tls.mode=secret"], "tls.mode secret needs tls.existingSecret", "kubectl create secret tls"),
    (["tls.mode=certManager"], "tls.mode certManager needs", "tls.certManager.issuerRef.name"),
    (["tls.partnerCA.secret=a", "tls.partnerCA.configMap=b"], "a Secret and a ConfigMap", "one of them"),
    (["http.ingress.enabled=true"], "http.ingress.enabled needs", "http.ingress.host"),
    (["settings.limits.calls=20"], "20 media ports carry 10 calls", "media.count to 40"),
    (["media.extraRanges[0].start=31010", "media.extraRanges[0].count=20"], "media port 31010 stands in two ranges", "must not overlap"),
    (["media.start=65530"], "beyond port 65535", "media.start"),
    (["settings.sip.listen=0.0.0.0:5062"], "settings.sip.listen is set by the chart", "use sip.port"),
    (["settings.http.token=secret-token"], "settings.http.token is set by the chart", "http.existingSecret"),
    (["settings.hep.password=geheim"], "settings.hep.password", "secretKeyRef"),
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
