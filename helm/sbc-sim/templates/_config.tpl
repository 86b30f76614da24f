{{/* The settings file: what the values say, joined with what the chart works out. */}}

{{- define "sbc-sim.config" -}}
{{- $own := dict
  "sip" (dict "listen" (include "sbc-sim.hostPort" (list . (include "sbc-sim.everywhere" .) (int .Values.sip.port))))
  "media" (dict "listen" (include "sbc-sim.everywhere" .) "mode" .Values.media.mode "ports" (include "sbc-sim.mediaRange" .))
  "tls" (include "sbc-sim.configTls" . | fromYaml)
  "http" (include "sbc-sim.configHttp" . | fromYaml)
  "store" (dict "url" (include "sbc-sim.storeUrl" .))
  "log" (dict "format" "json") -}}
{{- $room := include "sbc-sim.roomForCalls" . -}}
{{- if $room }}{{ $_ := set $own "limits" (dict "calls" (int $room)) }}{{ end -}}
{{- if or (eq .Values.ipFamily "IPv6") (contains ":" (include "sbc-sim.advertisedMedia" .)) }}{{ $_ := set $own.media "ipv6" true }}{{ end -}}
{{- $merged := mergeOverwrite $own (deepCopy .Values.settings) -}}
{{- $hosts := concat (get $own "http").hosts (((.Values.settings.http | default dict).hosts) | default list) -}}
{{- if eq .Values.http.auth "none" -}}
{{- $hosts = concat $hosts (splitList "\n" (include "sbc-sim.serviceNames" (list . "http"))) -}}
{{- end -}}
{{- $_ := set (get $merged "http") "hosts" ($hosts | uniq) -}}
{{- toYaml $merged -}}
{{- end -}}

{{- define "sbc-sim.configTls" -}}
dir: /certs
{{- if eq .Values.tls.mode "generated" }}
names:
  {{- splitList "\n" (include "sbc-sim.serviceNames" (list . "sip")) | concat .Values.tls.names | toYaml | nindent 2 }}
{{- else }}
cert_file: /tls/tls.crt
key_file: /tls/tls.key
{{- end }}
{{- if or .Values.tls.partnerCA.secret .Values.tls.partnerCA.configMap }}
ca_file: /partner-ca/{{ .Values.tls.partnerCA.key }}
{{- end }}
{{- end -}}

{{- define "sbc-sim.configHttp" -}}
listen: {{ include "sbc-sim.hostPort" (list . (include "sbc-sim.everywhere" .) (int .Values.http.port)) | quote }}
auth: {{ .Values.http.auth }}
{{- if .Values.http.ingress.enabled }}
hosts: [{{ .Values.http.ingress.host | quote }}]
{{- with trimSuffix "/" .Values.http.ingress.path }}
base_path: {{ . | quote }}
{{- end }}
{{- else }}
hosts: []
{{- end }}
{{- end -}}
