{{/* Names and labels. */}}

{{- define "sbc-sim.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 31 | trimSuffix "-" -}}
{{- end -}}

{{/* 31 characters: with what Kubernetes adds, a pod's name is no longer than the 48 that replicas.name may have. */}}
{{- define "sbc-sim.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 31 | trimSuffix "-" -}}
{{- else if contains (include "sbc-sim.name" .) .Release.Name -}}
{{- .Release.Name | trunc 31 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "sbc-sim.name" .) | trunc 31 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "sbc-sim.selector" -}}
app.kubernetes.io/name: {{ include "sbc-sim.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: simulator
{{- end -}}

{{- define "sbc-sim.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "sbc-sim.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "sbc-sim.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "sbc-sim.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "sbc-sim.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{/* The Secret and its key that hold the API's token. */}}
{{- define "sbc-sim.tokenSecret" -}}
{{- .Values.http.existingSecret | default (printf "%s-http" (include "sbc-sim.fullname" .)) -}}
{{- end -}}

{{/* The Secret with the CA (mode generated). */}}
{{- define "sbc-sim.caSecret" -}}
{{- .Values.tls.caSecret | default (printf "%s-ca" (include "sbc-sim.fullname" .)) -}}
{{- end -}}

{{/* The Secret with the server certificate (modes secret and certManager). */}}
{{- define "sbc-sim.tlsSecret" -}}
{{- if eq .Values.tls.mode "secret" -}}
{{- .Values.tls.existingSecret -}}
{{- else -}}
{{- printf "%s-tls" (include "sbc-sim.fullname" .) -}}
{{- end -}}
{{- end -}}

{{/* The names of a service within the cluster, one on each line. Takes (list . "sip"). */}}
{{- define "sbc-sim.serviceNames" -}}
{{- $root := first . -}}
{{- $service := printf "%s-%s" (include "sbc-sim.fullname" $root) (last .) -}}
{{ $service }}
{{ $service }}.{{ $root.Release.Namespace }}
{{ $service }}.{{ $root.Release.Namespace }}.svc
{{ $service }}.{{ $root.Release.Namespace }}.svc.cluster.local
{{- end -}}

{{/* How the address of a service stands in the environment of a pod of its namespace: works without DNS. Takes (list . "sip"). */}}
{{- define "sbc-sim.serviceVariable" -}}
{{- printf "%s_%s_SERVICE_HOST" (include "sbc-sim.fullname" (first .)) (last .) | upper | replace "-" "_" | replace "." "_" -}}
{{- end -}}
