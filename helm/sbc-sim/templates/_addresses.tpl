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
{{- $sip := include "sbc-sim.advertisedSip" . -}}
{{- if or (regexMatch "^[^:]+:[0-9]+$" $sip) (regexMatch "\\]:[0-9]+$" $sip) -}}
{{- regexFind "[0-9]+$" $sip -}}
{{- else if eq .Values.exposure "nodePort" -}}
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
{{- if or (regexMatch "^[0-9]{1,3}(\\.[0-9]{1,3}){3}$" .) (and (contains ":" .) (regexMatch "^[0-9A-Fa-f:.]+$" .)) -}}yes{{- end -}}
{{- end -}}

{{/* A host as the environment of the container has it: the words become variables that the kubelet fills in. */}}
{{- define "sbc-sim.asVariable" -}}
{{- if eq . "podIP" -}}$(POD_IP){{- else if eq . "hostIP" -}}$(HOST_IP){{- else -}}{{ . }}{{- end -}}
{{- end -}}

{{/* sip.advertised, HOST:PORT. */}}
{{- define "sbc-sim.sipAdvertised" -}}
{{- $host := include "sbc-sim.advertisedHost" . -}}
{{- $shown := include "sbc-sim.asVariable" $host -}}
{{- if contains ":" $host }}{{ $shown = printf "[%s]" $host }}{{ end -}}
{{ $shown }}:{{ include "sbc-sim.advertisedPort" . }}
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

{{/* Calls that have media ports, two for each; with mux there is no such bound, so nothing. */}}
{{- define "sbc-sim.roomForCalls" -}}
{{- if eq .Values.media.mode "ports" -}}
{{- $count := int .Values.media.count -}}
{{- range .Values.media.extraRanges }}{{ $count = add $count .count }}{{ end -}}
{{- div $count 2 -}}
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
