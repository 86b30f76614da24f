{{/* What the simulator calls itself, and which ports it has. */}}

{{/* Seconds that calls have to end when the pod is told to stop; limits.drain_seconds has the same default. */}}
{{- define "sbc-sim.drainSeconds" -}}
{{- $limits := .Values.settings.limits | default dict -}}
{{- if hasKey $limits "drain_seconds" -}}{{ $limits.drain_seconds }}{{- else -}}0{{- end -}}
{{- end -}}

{{/* advertised.sip as written, or what the exposure makes of nothing. */}}
{{- define "sbc-sim.advertisedSip" -}}
{{- $default := dict "clusterIP" "podIP" "hostNetwork" "hostIP" -}}
{{- .Values.advertised.sip | default (get $default .Values.exposure) -}}
{{- end -}}

{{/* Its host alone: podIP, hostIP, a name or an address without brackets. */}}
{{- define "sbc-sim.advertisedHost" -}}
{{- $sip := include "sbc-sim.advertisedSip" . -}}
{{- if regexMatch "^[^:]+:[0-9]+$" $sip -}}
{{- regexReplaceAll ":[0-9]+$" $sip "" -}}
{{- else if hasPrefix "[" $sip -}}
{{- regexReplaceAll "^\\[([^]]*)\\].*$" $sip "${1}" -}}
{{- else -}}
{{- $sip -}}
{{- end -}}
{{- end -}}

{{/* Its port: as written, else the one that partners reach. */}}
{{- define "sbc-sim.advertisedPort" -}}
{{- include "sbc-sim.writtenPort" . | default (include "sbc-sim.reachedPort" .) -}}
{{- end -}}

{{/* The port in advertised.sip, if there is one. */}}
{{- define "sbc-sim.writtenPort" -}}
{{- $sip := include "sbc-sim.advertisedSip" . -}}
{{- if or (regexMatch "^[^:]+:[0-9]+$" $sip) (regexMatch "\\]:[0-9]+$" $sip) -}}
{{- regexFind "[0-9]+$" $sip -}}
{{- end -}}
{{- end -}}

{{/* The port that is open at the advertised host: of a node with exposure nodePort, else the pod's. */}}
{{- define "sbc-sim.reachedPort" -}}
{{- if and (eq .Values.exposure "nodePort") (ne (include "sbc-sim.advertisedHost" .) "podIP") -}}
{{- .Values.sip.service.nodePort | int -}}
{{- else -}}
{{- .Values.sip.port | int -}}
{{- end -}}
{{- end -}}

{{/* advertised.media: as written, else the host of sip where that is an address. Empty: unknowable. */}}
{{- define "sbc-sim.advertisedMedia" -}}
{{- $host := include "sbc-sim.advertisedHost" . -}}
{{- if .Values.advertised.media -}}
{{- .Values.advertised.media -}}
{{- else if or (has $host (list "podIP" "hostIP")) (include "sbc-sim.isAddress" $host) -}}
{{- $host -}}
{{- end -}}
{{- end -}}

{{/* Something, when the text is an IP address. */}}
{{- define "sbc-sim.isAddress" -}}
{{- $byte := "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])" -}}
{{- $words := "[0-9A-Fa-f]{1,4}(:[0-9A-Fa-f]{1,4})*" -}}
{{- if regexMatch (printf "^%s(\\.%s){3}$" $byte $byte) . -}}yes
{{- else if and (regexMatch (printf "^(%s)?::(%s)?$" $words $words) .) (le (len (regexFindAll "[0-9A-Fa-f]+" . -1)) 7) -}}yes
{{- else if regexMatch "^([0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}$" . -}}yes
{{- end -}}
{{- end -}}

{{/* What is wrong with a host that partners are told: podIP, hostIP, an address or a name. Empty: nothing. */}}
{{- define "sbc-sim.hostProblem" -}}
{{- if has . (list "podIP" "hostIP") -}}
{{- else if has (lower .) (list "podip" "hostip") -}}
{{- printf "write it as %s" (ternary "podIP" "hostIP" (eq (lower .) "podip")) -}}
{{- else if include "sbc-sim.isAddress" . -}}
{{- if or (regexMatch "^(0|127|22[4-9]|2[3-5][0-9])\\." .) (regexMatch "^([0:]+1?|[fF][fF][0-9A-Fa-f]{2}:.*|[fF][eE][89aAbB][0-9A-Fa-f]:.*)$" .) -}}
no partner can reach that address: write the one at which partners reach the simulator
{{- end -}}
{{- else if or (contains ":" .) (regexMatch "(^|\\.)[0-9]+\\.?$" .) -}}
that is no IP address: write one such as 192.0.2.10
{{- else if or (eq (lower .) "localhost") (not (regexMatch "^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\\.?$" .)) -}}
no partner can reach that name: write the host alone, such as sbc.example.com or 192.0.2.10
{{- end -}}
{{- end -}}

{{/* The address of every interface. */}}
{{- define "sbc-sim.everywhere" -}}
{{- ternary "::" "0.0.0.0" (eq .Values.ipFamily "IPv6") -}}
{{- end -}}

{{/* A host and port as one. Takes (list . HOST PORT); an address of the pod's family is not known yet, so the family tells. */}}
{{- define "sbc-sim.hostPort" -}}
{{- $host := index . 1 -}}
{{- if or (contains ":" $host) (and (hasPrefix "$(" $host) (eq (first .).Values.ipFamily "IPv6")) }}{{ $host = printf "[%s]" $host }}{{ end -}}
{{ $host }}:{{ last . }}
{{- end -}}

{{/* A host as the environment of the container has it: the words become variables that the kubelet fills in. */}}
{{- define "sbc-sim.asVariable" -}}
{{- if eq . "podIP" -}}$(POD_IP){{- else if eq . "hostIP" -}}$(HOST_IP){{- else -}}{{ . }}{{- end -}}
{{- end -}}

{{/* sip.advertised, HOST:PORT. */}}
{{- define "sbc-sim.sipAdvertised" -}}
{{- include "sbc-sim.hostPort" (list . (include "sbc-sim.asVariable" (include "sbc-sim.advertisedHost" .)) (include "sbc-sim.advertisedPort" .)) -}}
{{- end -}}

{{/* Every UDP port, with commas. */}}
{{- define "sbc-sim.mediaPorts" -}}
{{- $ports := list -}}
{{- if eq .Values.media.mode "mux" -}}
{{- $ports = list (int .Values.media.start) -}}
{{- else -}}
{{- range $offset := until (int .Values.media.count) }}{{ $ports = append $ports (add $.Values.media.start $offset) }}{{ end -}}
{{- end -}}
{{- range $more := .Values.media.extraRanges -}}
{{- range $offset := until (int $more.count) }}{{ $ports = append $ports (add $more.start $offset) }}{{ end -}}
{{- end -}}
{{- join "," $ports -}}
{{- end -}}

{{/* media.ports, FIRST-LAST or one number. */}}
{{- define "sbc-sim.mediaRange" -}}
{{- if or (eq .Values.media.mode "mux") (eq (int .Values.media.count) 1) -}}
{{- int .Values.media.start -}}
{{- else -}}
{{- printf "%d-%d" (int .Values.media.start) (sub (add .Values.media.start .Values.media.count) 1) -}}
{{- end -}}
{{- end -}}

{{/* Calls that have media ports: pairs of an even port and the one above it, in the ranges that the simulator uses. With mux there is no
     such bound, so nothing. */}}
{{- define "sbc-sim.roomForCalls" -}}
{{- if eq .Values.media.mode "ports" -}}
{{- $ranges := list (include "sbc-sim.mediaRange" .) -}}
{{- range .Values.settings.regions | default dict -}}
{{- if and . .media_ports (ne (toString .enabled) "false") }}{{ $ranges = append $ranges .media_ports }}{{ end -}}
{{- end -}}
{{- $room := 0 -}}
{{- range $range := $ranges | uniq -}}
{{- $ends := splitList "-" $range -}}
{{- $room = add $room (sub (div (add (last $ends | int) 1) 2) (div (add (first $ends | int) 1) 2)) -}}
{{- end -}}
{{- $room -}}
{{- end -}}
{{- end -}}

{{/* Something, when each pod is reached at an address of its own. */}}
{{- define "sbc-sim.ownAddresses" -}}
{{- $words := list "podIP" "hostIP" -}}
{{- if and (has (include "sbc-sim.advertisedHost" .) $words) (has (include "sbc-sim.advertisedMedia" .) $words) -}}yes{{- end -}}
{{- end -}}

{{/* Something, when at most one pod fits on a node. */}}
{{- define "sbc-sim.onePerNode" -}}
{{- if or (eq .Values.exposure "hostNetwork") (and (eq .Values.exposure "nodePort") (gt (int .Values.replicas) 1)) -}}yes{{- end -}}
{{- end -}}

{{/* Where pods may run: the affinity of the values, with what several replicas need beside it. One that must be alone on its node keeps
     that rule whatever else is asked for. */}}
{{- define "sbc-sim.affinity" -}}
{{- $affinity := deepCopy (.Values.affinity | default dict) -}}
{{- if gt (int .Values.replicas) 1 -}}
{{- $apart := dict "topologyKey" "kubernetes.io/hostname" "labelSelector" (dict "matchLabels" (include "sbc-sim.selector" . | fromYaml)) -}}
{{- $anti := $affinity.podAntiAffinity | default dict -}}
{{- if include "sbc-sim.onePerNode" . -}}
{{- $_ := set $anti "requiredDuringSchedulingIgnoredDuringExecution" (append ($anti.requiredDuringSchedulingIgnoredDuringExecution | default list) $apart) -}}
{{- $_ := set $affinity "podAntiAffinity" $anti -}}
{{- else if not $anti -}}
{{- $preferred := list (dict "weight" 100 "podAffinityTerm" $apart) -}}
{{- $_ := set $affinity "podAntiAffinity" (dict "preferredDuringSchedulingIgnoredDuringExecution" $preferred) -}}
{{- end -}}
{{- end -}}
{{- if $affinity }}{{ toYaml $affinity }}{{ end -}}
{{- end -}}

{{/* Something, when several pods of a release may run beside each other for a while: each is reached at an address of its own. */}}
{{- define "sbc-sim.maySurge" -}}
{{- if and (eq .Values.exposure "clusterIP") (include "sbc-sim.ownAddresses" .) (not .Values.persistence.enabled) -}}yes{{- end -}}
{{- end -}}

{{- define "sbc-sim.storeUrl" -}}
{{- .Values.store.url | default (ternary "sqlite:/data/sbc-sim.sqlite" "memory:" .Values.persistence.enabled) -}}
{{- end -}}

{{- define "sbc-sim.shared" -}}
{{- if hasPrefix "postgres" (include "sbc-sim.storeUrl" .) -}}yes{{- end -}}
{{- end -}}
