{{/* What a schema can't say: values that don't go together. Each refusal names the value, why, and the cure. */}}

{{- define "sbc-sim.check" -}}
{{- include "sbc-sim.checkAddresses" . -}}
{{- include "sbc-sim.checkNodePorts" . -}}
{{- include "sbc-sim.checkReplicas" . -}}
{{- include "sbc-sim.checkStore" . -}}
{{- include "sbc-sim.checkTls" . -}}
{{- include "sbc-sim.checkMedia" . -}}
{{- include "sbc-sim.checkSettings" . -}}
{{- include "sbc-sim.checkRegions" . -}}
{{- end -}}

{{- define "sbc-sim.refuse" -}}
{{- fail (printf "\n\nsbc-sim: %s\n" .) -}}
{{- end -}}

{{- define "sbc-sim.checkAddresses" -}}
{{- $exposure := .Values.exposure -}}
{{- if not (include "sbc-sim.advertisedSip" .) -}}
{{- $where := ternary "the address at which partners reach a node (or `hostIP` where that is the node's own address)" "the address or name of the load balancer (reserve it first: sip.service.loadBalancerIP or an annotation of your provider)" (eq $exposure "nodePort") -}}
{{- include "sbc-sim.refuse" (printf "advertised.sip is needed with exposure %s: it stands in Contact, and the chart can't know it. Set it to %s." $exposure $where) -}}
{{- end -}}
{{- if not (include "sbc-sim.advertisedMedia" .) -}}
{{- include "sbc-sim.refuse" (printf "advertised.media is needed: it stands in the SDP, which takes an IP address, and advertised.sip is the name %s. Set it to the address at which partners reach UDP %s." (include "sbc-sim.advertisedHost" .) (include "sbc-sim.mediaRange" .)) -}}
{{- end -}}
{{- $media := .Values.advertised.media -}}
{{- if and $media (not (has $media (list "podIP" "hostIP"))) (not (include "sbc-sim.isAddress" $media)) -}}
{{- include "sbc-sim.refuse" (printf "advertised.media is %q, but the SDP takes an IP address: set the address that the name stands for, podIP or hostIP." $media) -}}
{{- end -}}
{{- end -}}

{{- define "sbc-sim.checkNodePorts" -}}
{{- if eq .Values.exposure "nodePort" -}}
{{- $first := int .Values.nodePortRange.first -}}{{- $last := int .Values.nodePortRange.last -}}
{{- range $port := splitList "," (include "sbc-sim.mediaPorts" .) -}}
{{- if or (lt (int $port) $first) (gt (int $port) $last) -}}
{{- include "sbc-sim.refuse" (printf "media port %s is outside the NodePort window %d-%d: with exposure nodePort media ports are the same inside and outside, since the SDP names them. Set media.start and media.count within it (or nodePortRange, if your API server has another --service-node-port-range)." $port $first $last) -}}
{{- end -}}
{{- end -}}
{{- $sip := list .Values.sip.service.nodePort -}}
{{- range .Values.sip.extraPorts }}{{ $sip = append $sip (.nodePort | default 0) }}{{ end -}}
{{- range $port := $sip -}}
{{- if or (lt (int $port) $first) (gt (int $port) $last) -}}
{{- include "sbc-sim.refuse" (printf "SIP port %d is outside the NodePort window %d-%d: set sip.service.nodePort (and nodePort of each of sip.extraPorts) within it." (int $port) $first $last) -}}
{{- end -}}
{{- end -}}
{{- if and (or (eq (include "sbc-sim.advertisedHost" .) "hostIP") (eq .Values.advertised.media "hostIP")) (or (ne .Values.sip.service.externalTrafficPolicy "Local") (ne .Values.media.service.externalTrafficPolicy "Local")) -}}
{{- include "sbc-sim.refuse" "advertised hostIP with exposure nodePort means that a node's ports lead to its own pod: set sip.service.externalTrafficPolicy and media.service.externalTrafficPolicy to Local." -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "sbc-sim.checkReplicas" -}}
{{- if gt (int .Values.replicas) 1 -}}
{{- if not (include "sbc-sim.shared" .) -}}
{{- include "sbc-sim.refuse" (printf "replicas is %d, but the store is %s, which each pod would have for itself: set store.url to postgresql://USER@HOST:PORT/DATABASE (and store.existingSecret to the Secret with its password), or replicas to 1." (int .Values.replicas) (include "sbc-sim.storeUrl" .)) -}}
{{- end -}}
{{- if not (include "sbc-sim.ownAddresses" .) -}}
{{- include "sbc-sim.refuse" (printf "replicas is %d, but all pods would advertise %s: requests and media within a call must come back to the pod that answered it. Use exposure hostNetwork or clusterIP, or set advertised.sip and advertised.media to hostIP or podIP." (int .Values.replicas) .Values.advertised.sip) -}}
{{- end -}}
{{- if and (eq .Values.exposure "loadBalancer") (has "hostIP" (list (include "sbc-sim.advertisedHost" .) (include "sbc-sim.advertisedMedia" .))) -}}
{{- include "sbc-sim.refuse" "advertised hostIP goes with exposure hostNetwork or nodePort: a load balancer's ports are not open on the node. Use podIP where partners have a route to pods." -}}
{{- end -}}
{{- if .Values.persistence.enabled -}}
{{- if and (ne .Values.persistence.accessMode "ReadWriteMany") (not .Values.persistence.existingClaim) -}}
{{- include "sbc-sim.refuse" (printf "replicas is %d, but persistence is %s: one pod alone could start. The journal is in PostgreSQL, so set persistence.enabled to false." (int .Values.replicas) .Values.persistence.accessMode) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "sbc-sim.checkStore" -}}
{{- $url := include "sbc-sim.storeUrl" . -}}
{{- if regexMatch "^postgres(ql)?://[^/@]*:[^/@]*@" $url -}}
{{- include "sbc-sim.refuse" "store.url holds a password, which everybody could read in the pod and the ConfigMap: take it out and name a Secret with it in store.existingSecret." -}}
{{- end -}}
{{- if not (or (eq $url "memory:") (hasPrefix "sqlite:" $url) (hasPrefix "postgres://" $url) (hasPrefix "postgresql://" $url)) -}}
{{- include "sbc-sim.refuse" (printf "store.url is %q: use memory:, sqlite:/data/FILE or postgresql://USER@HOST:PORT/DATABASE." $url) -}}
{{- end -}}
{{- if and (hasPrefix "sqlite:" $url) (not (hasPrefix "sqlite:/data/" $url)) -}}
{{- include "sbc-sim.refuse" (printf "store.url is %s, but only /data and /tmp can be written in the container: use sqlite:/data/FILE." $url) -}}
{{- end -}}
{{- end -}}

{{- define "sbc-sim.checkTls" -}}
{{- if and (eq .Values.tls.mode "secret") (not .Values.tls.existingSecret) -}}
{{- include "sbc-sim.refuse" "tls.mode secret needs tls.existingSecret, the name of a Secret with tls.crt (leaf first, then its chain) and tls.key: kubectl create secret tls NAME --cert=FILE --key=FILE." -}}
{{- end -}}
{{- if and (eq .Values.tls.mode "certManager") (not .Values.tls.certManager.issuerRef.name) -}}
{{- include "sbc-sim.refuse" "tls.mode certManager needs tls.certManager.issuerRef.name, the Issuer (or, with kind ClusterIssuer, the ClusterIssuer) that issues the certificate." -}}
{{- end -}}
{{- if and .Values.tls.partnerCA.secret .Values.tls.partnerCA.configMap -}}
{{- include "sbc-sim.refuse" "tls.partnerCA names a Secret and a ConfigMap: set one of them." -}}
{{- end -}}
{{- if and .Values.http.ingress.enabled (not .Values.http.ingress.host) -}}
{{- include "sbc-sim.refuse" "http.ingress.enabled needs http.ingress.host, the name at which the page will be." -}}
{{- end -}}
{{- end -}}

{{- define "sbc-sim.checkMedia" -}}
{{- $limits := .Values.settings.limits | default dict -}}
{{- $room := include "sbc-sim.roomForCalls" . -}}
{{- if and $room (hasKey $limits "calls") -}}
{{- if gt (int $limits.calls) (int $room) -}}
{{- include "sbc-sim.refuse" (printf "settings.limits.calls is %d, but %d media ports carry %d calls, two ports each: set media.count to %d, or media.mode to mux." (int $limits.calls) (int .Values.media.count) (int $room) (mul 2 $limits.calls)) -}}
{{- end -}}
{{- end -}}
{{- $seen := dict -}}
{{- range $port := splitList "," (include "sbc-sim.mediaPorts" .) -}}
{{- if hasKey $seen $port -}}
{{- include "sbc-sim.refuse" (printf "media port %s stands in two ranges: media.start, media.count and media.extraRanges must not overlap." $port) -}}
{{- end -}}
{{- $_ := set $seen $port true -}}
{{- if gt (int $port) 65535 -}}
{{- include "sbc-sim.refuse" (printf "media.start %d and media.count %d go beyond port 65535." (int $.Values.media.start) (int $.Values.media.count)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "sbc-sim.checkSettings" -}}
{{- $instead := dict
  "sip.listen" "sip.port"
  "sip.advertised" "advertised.sip"
  "media.listen" "media.start and media.count"
  "media.advertised" "advertised.media"
  "media.ports" "media.start and media.count"
  "media.mode" "media.mode"
  "tls.dir" "tls.mode"
  "tls.cert_file" "tls.mode secret and tls.existingSecret"
  "tls.key_file" "tls.mode secret and tls.existingSecret"
  "tls.ca_file" "tls.partnerCA"
  "tls.names" "tls.names"
  "http.listen" "http.port"
  "http.auth" "http.auth"
  "http.token" "http.existingSecret (or http.token)"
  "store.url" "store.url"
  "store.password" "store.existingSecret"
  "hep.password" "extraEnv with SBC_SIM_HEP__PASSWORD by secretKeyRef, since settings are readable in a ConfigMap"
  "data.dir" "persistence, or store.url and tls.mode"
  "replicas.name" "nothing: it is the pod's name"
  "replicas.http" "nothing: it is the pod's address"
  "workers.count" "replicas: in Kubernetes pods are what there are more of"
  "workers.sip_ports" "replicas: in Kubernetes pods are what there are more of" -}}
{{- range $section, $members := .Values.settings -}}
{{- range $name, $_ := $members -}}
{{- $key := printf "%s.%s" $section $name -}}
{{- if hasKey $instead $key -}}
{{- include "sbc-sim.refuse" (printf "settings.%s is set by the chart: use %s instead." $key (get $instead $key)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "sbc-sim.checkRegions" -}}
{{- $open := list (int .Values.sip.port) -}}
{{- range .Values.sip.extraPorts }}{{ $open = append $open (int .port) }}{{ end -}}
{{- $media := splitList "," (include "sbc-sim.mediaPorts" .) -}}
{{- range $name, $region := .Values.settings.regions | default dict -}}
{{- if and $region $region.listen -}}
{{- $port := regexFind "[0-9]+$" $region.listen | int -}}
{{- if not (has $port $open) -}}
{{- include "sbc-sim.refuse" (printf "settings.regions.%s.listen is %s, but no service opens port %d: add {port: %d} to sip.extraPorts." $name $region.listen $port $port) -}}
{{- end -}}
{{- end -}}
{{- if and $region $region.media_ports -}}
{{- $ends := splitList "-" $region.media_ports -}}
{{- if not (and (has (first $ends) $media) (has (last $ends) $media)) -}}
{{- include "sbc-sim.refuse" (printf "settings.regions.%s.media_ports is %s, but no service opens those ports: add {start: %s, count: ...} to media.extraRanges." $name $region.media_ports (first $ends)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
