{{/* What a schema can't say: values that don't go together. Each refusal names the value, why, and the cure. */}}

{{- define "sbc-sim.check" -}}
{{- include "sbc-sim.checkStore" . -}}
{{- include "sbc-sim.checkAddresses" . -}}
{{- include "sbc-sim.checkOpen" . -}}
{{- include "sbc-sim.checkPorts" . -}}
{{- include "sbc-sim.checkNodePorts" . -}}
{{- include "sbc-sim.checkReplicas" . -}}
{{- include "sbc-sim.checkTls" . -}}
{{- include "sbc-sim.checkMedia" . -}}
{{- include "sbc-sim.checkSettings" . -}}
{{- include "sbc-sim.checkVariables" . -}}
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
{{- $sip := include "sbc-sim.advertisedSip" . -}}
{{- if not (or (regexMatch "^(\\[[^\\]]+\\]|[^]:/@\\s[]+)(:[0-9]+)?$" $sip) (regexMatch "^[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*$" $sip)) -}}
{{- include "sbc-sim.refuse" (printf "advertised.sip is %q: write HOST, HOST:PORT, podIP or hostIP, without a scheme or a path; an IPv6 address before a port in brackets, [2001:db8::7]:5061." $sip) -}}
{{- end -}}
{{- $port := include "sbc-sim.advertisedPort" . | int -}}
{{- if or (lt $port 1) (gt $port 65535) -}}
{{- include "sbc-sim.refuse" (printf "advertised.sip is %q: a port is 1 to 65535. Without one the chart takes the port that partners reach, %s." $sip (include "sbc-sim.reachedPort" .)) -}}
{{- end -}}
{{- with include "sbc-sim.hostProblem" (include "sbc-sim.advertisedHost" .) -}}
{{- include "sbc-sim.refuse" (printf "advertised.sip is %q: %s." $sip .) -}}
{{- end -}}
{{- if not (include "sbc-sim.advertisedMedia" .) -}}
{{- include "sbc-sim.refuse" (printf "advertised.media is needed: it stands in the SDP, which takes an IP address, and advertised.sip is the name %s. Set it to the address at which partners reach UDP %s." (include "sbc-sim.advertisedHost" .) (include "sbc-sim.mediaRange" .)) -}}
{{- end -}}
{{- $media := .Values.advertised.media -}}
{{- if $media -}}
{{- with include "sbc-sim.hostProblem" (regexReplaceAll "^\\[(.*)\\]$" $media "${1}") -}}
{{- include "sbc-sim.refuse" (printf "advertised.media is %q: %s." $media .) -}}
{{- end -}}
{{- end -}}
{{- if and $media (not (has $media (list "podIP" "hostIP"))) (not (include "sbc-sim.isAddress" $media)) -}}
{{- include "sbc-sim.refuse" (printf "advertised.media is %q, but the SDP takes an IP address: set the address that the name stands for, podIP or hostIP." $media) -}}
{{- end -}}
{{- end -}}

{{/* Whether anything is open at the address that partners are told. */}}
{{- define "sbc-sim.checkOpen" -}}
{{- $exposure := .Values.exposure -}}
{{- $host := include "sbc-sim.advertisedHost" . -}}
{{- $media := include "sbc-sim.advertisedMedia" . -}}
{{- if and (has $exposure (list "clusterIP" "loadBalancer")) (has "hostIP" (list $host $media)) -}}
{{- $cure := ternary "Use podIP, or exposure nodePort or hostNetwork." "Set the balancers' addresses, or podIP where partners have a route to pods." (eq $exposure "clusterIP") -}}
{{- include "sbc-sim.refuse" (printf "advertised hostIP goes with exposure nodePort or hostNetwork: with %s no port is open on the node. %s" $exposure $cure) -}}
{{- end -}}
{{- $written := include "sbc-sim.writtenPort" . -}}
{{- if and $written (has $host (list "podIP" "hostIP")) (ne $written (include "sbc-sim.reachedPort" .)) -}}
{{- $which := ternary "sip.service.nodePort" "sip.port" (and (eq $exposure "nodePort") (eq $host "hostIP")) -}}
{{- include "sbc-sim.refuse" (printf "advertised.sip is %s, but the port that is open there is %s (%s): leave the port out, or set %s to %s." (include "sbc-sim.advertisedSip" .) (include "sbc-sim.reachedPort" .) $which $which $written) -}}
{{- end -}}
{{- $seen := ternary "IPv6" "IPv4" (contains ":" $media) -}}
{{- if and (not (has $media (list "podIP" "hostIP"))) (ne $exposure "loadBalancer") (ne $seen .Values.ipFamily) -}}
{{- include "sbc-sim.refuse" (printf "media is advertised as %s, an %s address, but the pod's sockets are %s: set ipFamily to %s, or advertised.media to an %s address." $media $seen .Values.ipFamily $seen .Values.ipFamily) -}}
{{- end -}}
{{- end -}}

{{/* Ports of the pod: no two listeners on one, none that the simulator may not take. */}}
{{- define "sbc-sim.checkPorts" -}}
{{- $ports := list (list "sip.port" .Values.sip.port) (list "http.port" .Values.http.port) -}}
{{- range $index, $more := .Values.sip.extraPorts }}{{ $ports = append $ports (list (printf "sip.extraPorts[%d].port" $index) $more.port) }}{{ end -}}
{{- $taken := dict -}}
{{- range $ports -}}
{{- $name := first . -}}{{- $port := last . | int | toString -}}
{{- if hasKey $taken $port -}}
{{- include "sbc-sim.refuse" (printf "%s is %s, which %s has: set another." $name $port (get $taken $port)) -}}
{{- end -}}
{{- $_ := set $taken $port $name -}}
{{- $added := ($.Values.containerSecurityContext.capabilities | default dict).add | default list -}}
{{- if and (eq $.Values.exposure "hostNetwork") (lt (int $port) 1024) (not (has "NET_BIND_SERVICE" $added)) -}}
{{- include "sbc-sim.refuse" (printf "%s is %s: on the node's network ports below 1024 need rights that the pod does not have. Set it to 1024 or more, 5061 say." $name $port) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "sbc-sim.checkNodePorts" -}}
{{- include "sbc-sim.checkNodePortsApart" . -}}
{{- if and (eq .Values.http.service.type "NodePort") .Values.http.service.nodePort -}}
{{- $port := int .Values.http.service.nodePort -}}
{{- if or (lt $port (int .Values.nodePortRange.first)) (gt $port (int .Values.nodePortRange.last)) -}}
{{- include "sbc-sim.refuse" (printf "http.service.nodePort is %d, outside the NodePort window %d-%d: set it within, or to null for any." $port (int .Values.nodePortRange.first) (int .Values.nodePortRange.last)) -}}
{{- end -}}
{{- end -}}
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

{{/* A cluster gives each NodePort once, be it TCP or UDP. */}}
{{- define "sbc-sim.checkNodePortsApart" -}}
{{- $ports := list -}}
{{- if eq .Values.exposure "nodePort" -}}
{{- range splitList "," (include "sbc-sim.mediaPorts" .) }}{{ $ports = append $ports (list "media" (int .)) }}{{ end -}}
{{- $ports = uniq $ports -}}
{{- $ports = append $ports (list "sip.service.nodePort" (int .Values.sip.service.nodePort)) -}}
{{- range $index, $more := .Values.sip.extraPorts }}{{ if $more.nodePort }}{{ $ports = append $ports (list (printf "sip.extraPorts[%d].nodePort" $index) (int $more.nodePort)) }}{{ end }}{{ end -}}
{{- end -}}
{{- if and (eq .Values.http.service.type "NodePort") .Values.http.service.nodePort -}}
{{- $ports = append $ports (list "http.service.nodePort" (int .Values.http.service.nodePort)) -}}
{{- end -}}
{{- $taken := dict -}}
{{- range $ports -}}
{{- $name := first . -}}{{- $port := last . | toString -}}
{{- if hasKey $taken $port -}}
{{- include "sbc-sim.refuse" (printf "%s is %s, a NodePort that %s has: set another." $name $port (get $taken $port)) -}}
{{- end -}}
{{- $_ := set $taken $port $name -}}
{{- end -}}
{{- end -}}

{{- define "sbc-sim.checkReplicas" -}}
{{- if gt (int .Values.replicas) 1 -}}
{{- if not (include "sbc-sim.shared" .) -}}
{{- include "sbc-sim.refuse" (printf "replicas is %d, but the store is %s, which each pod would have for itself: set store.url to postgresql://USER@HOST:PORT/DATABASE (and store.existingSecret to the Secret with its password), or replicas to 1." (int .Values.replicas) (include "sbc-sim.storeUrl" .)) -}}
{{- end -}}
{{- if not (include "sbc-sim.ownAddresses" .) -}}
{{- $words := dict "clusterIP" "podIP" "hostNetwork" "hostIP" "nodePort" "hostIP" "loadBalancer" "podIP (where partners have a route to pods)" -}}
{{- $shared := has (include "sbc-sim.advertisedHost" .) (list "podIP" "hostIP") | ternary (include "sbc-sim.advertisedMedia" .) (include "sbc-sim.advertisedSip" .) -}}
{{- include "sbc-sim.refuse" (printf "replicas is %d, but all pods would advertise %s: requests and media within a call must come back to the pod that answered it. Set both advertised.sip and advertised.media to %s, or use exposure %s." (int .Values.replicas) $shared (get $words .Values.exposure) (ternary "hostNetwork" "hostNetwork or clusterIP" (eq .Values.exposure "clusterIP"))) -}}
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
{{- if or (regexMatch "://[^@]*[:/?#][^@]*@" $url) (regexMatch "(?i)[?&][^&=]*password=" $url) -}}
{{- include "sbc-sim.refuse" "store.url holds a password, which everybody could read in the pod and the ConfigMap: take it out and name a Secret with it in store.existingSecret. (An @ that is part of something else is written %40.)" -}}
{{- end -}}
{{- if not (or (eq $url "memory:") (hasPrefix "sqlite:" $url) (hasPrefix "postgres://" $url) (hasPrefix "postgresql://" $url)) -}}
{{- include "sbc-sim.refuse" (printf "store.url is %q: use memory:, sqlite:/data/FILE or postgresql://USER@HOST:PORT/DATABASE." (regexReplaceAll "(?s)//.*" $url "//...")) -}}
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
{{- if and (eq .Values.media.mode "ports") (mod (int .Values.media.start) 2) -}}
{{- include "sbc-sim.refuse" (printf "media.start is %d: a call takes an even port and the one above it, so an odd start loses a call. Set it to %d, or media.mode to mux." (int .Values.media.start) (add .Values.media.start 1)) -}}
{{- end -}}
{{- $limits := .Values.settings.limits | default dict -}}
{{- $room := include "sbc-sim.roomForCalls" . -}}
{{- if and $room (hasKey $limits "calls") -}}
{{- if gt (int $limits.calls) (int $room) -}}
{{- include "sbc-sim.refuse" (printf "settings.limits.calls is %d, but the media ports carry %d, two ports each: set media.count to %d, or media.mode to mux." (int $limits.calls) (int $room) (add .Values.media.count (mul 2 (sub $limits.calls $room)))) -}}
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

{{/* Settings that the chart sets, and what to use instead: YAML. */}}
{{- define "sbc-sim.instead" -}}
sip.listen: "sip.port"
sip.advertised: "advertised.sip"
media.listen: "media.start and media.count"
media.advertised: "advertised.media"
media.ports: "media.start and media.count"
media.mode: "media.mode"
tls.dir: "tls.mode"
tls.cert_file: "tls.mode secret and tls.existingSecret"
tls.key_file: "tls.mode secret and tls.existingSecret"
tls.ca_file: "tls.partnerCA"
tls.names: "tls.names"
http.listen: "http.port"
http.auth: "http.auth"
http.token: "http.existingSecret (or http.token)"
store.url: "store.url"
store.password: "store.existingSecret"
hep.password: "extraEnv with SBC_SIM_HEP__PASSWORD by secretKeyRef, since settings are readable in a ConfigMap"
data.dir: "persistence, or store.url and tls.mode"
replicas.name: "nothing: it is the pod's name"
replicas.http: "nothing: it is the pod's address"
workers.count: "replicas: in Kubernetes pods are what there are more of"
workers.sip_ports: "replicas: in Kubernetes pods are what there are more of"
{{- end -}}

{{- define "sbc-sim.checkSettings" -}}
{{- $instead := include "sbc-sim.instead" . | fromYaml -}}
{{- range $section, $members := .Values.settings -}}
{{- range $name, $_ := $members -}}
{{- $key := printf "%s.%s" $section $name -}}
{{- if hasKey $instead $key -}}
{{- include "sbc-sim.refuse" (printf "settings.%s is set by the chart: use %s instead." $key (get $instead $key)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* extraEnv goes before everything else, so it must not say what the chart says, nor what nobody knows. */}}
{{- define "sbc-sim.checkVariables" -}}
{{- $instead := dict "POD_NAME" "nothing" "POD_IP" "nothing" "HOST_IP" "nothing" "SBC_SIM_CONFIG" "settings" "SBC_SIM_API" "http.port" "SBC_SIM_TOKEN" "http.existingSecret" "SBC_SIM_HTTP__TOKEN_FILE" "http.existingSecret" -}}
{{- range $key, $value := include "sbc-sim.instead" . | fromYaml -}}
{{- if ne $key "hep.password" }}{{ $_ := set $instead (printf "SBC_SIM_%s" ($key | replace "." "__" | upper)) $value }}{{ end -}}
{{- end -}}
{{- $known := .Files.Get "files/variables.json" | fromJson -}}
{{- $seen := dict -}}
{{- range $one := .Values.extraEnv -}}
{{- if hasKey $instead $one.name -}}
{{- include "sbc-sim.refuse" (printf "extraEnv has %s, which the chart sets; instead use %s." $one.name (get $instead $one.name)) -}}
{{- end -}}
{{- if hasKey $seen $one.name -}}
{{- include "sbc-sim.refuse" (printf "extraEnv has %s twice: leave one." $one.name) -}}
{{- end -}}
{{- $_ := set $seen $one.name true -}}
{{- if and (hasPrefix "SBC_SIM_" $one.name) (not (regexMatch $known.maps $one.name)) (not (has $one.name (concat $known.settings $known.secrets))) -}}
{{- include "sbc-sim.refuse" (printf "extraEnv has %s, which is no variable of the simulator, so the pod would refuse to start: docs/settings.md has the names (settings.SECTION.NAME takes the same)." $one.name) -}}
{{- end -}}
{{- if and (has $one.name $known.secrets) (not (hasSuffix "_FILE" $one.name)) (not (($one.valueFrom | default dict).secretKeyRef)) -}}
{{- include "sbc-sim.refuse" (printf "extraEnv has %s in plain text, which everybody who sees the Deployment can read: give it by valueFrom.secretKeyRef." $one.name) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "sbc-sim.checkRegions" -}}
{{- $open := list (int .Values.sip.port) -}}
{{- range .Values.sip.extraPorts }}{{ $open = append $open (int .port) }}{{ end -}}
{{- $media := splitList "," (include "sbc-sim.mediaPorts" .) -}}
{{- $used := list -}}
{{- range $name, $region := .Values.settings.regions | default dict -}}
{{- if and $region $region.listen -}}
{{- $port := regexFind "[0-9]+$" $region.listen | int -}}
{{- if not (has $port $open) -}}
{{- include "sbc-sim.refuse" (printf "settings.regions.%s.listen is %s, but no service opens port %d: add {port: %d} to sip.extraPorts." $name $region.listen $port $port) -}}
{{- end -}}
{{- end -}}
{{- if and $region $region.media_ports -}}
{{- $ends := splitList "-" $region.media_ports -}}
{{- $used = append $used (list (first $ends | int) (last $ends | int)) -}}
{{- if not (and (has (first $ends) $media) (has (last $ends) $media)) -}}
{{- include "sbc-sim.refuse" (printf "settings.regions.%s.media_ports is %s, but no service opens those ports: add {start: %s, count: ...} to media.extraRanges." $name $region.media_ports (first $ends)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $index, $more := .Values.media.extraRanges -}}
{{- $end := sub (add $more.start $more.count) 1 -}}
{{- $found := "" -}}
{{- range $used }}{{ if and (le (first .) (int $end)) (ge (last .) (int $more.start)) }}{{ $found = "yes" }}{{ end }}{{ end -}}
{{- if not $found -}}
{{- include "sbc-sim.refuse" (printf "media.extraRanges[%d], %d-%d, is used by no region, so no call would get those ports: set settings.regions.NAME.media_ports to it, or raise media.count for more calls on the common range." $index (int $more.start) $end) -}}
{{- end -}}
{{- end -}}
{{- end -}}
