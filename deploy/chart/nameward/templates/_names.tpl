{{- define "nameward.labels" -}}
app.kubernetes.io/name: nameward
app.kubernetes.io/component: {{ .component }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- end }}

{{- define "nameward.selector" -}}
app.kubernetes.io/name: nameward
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "nameward.image" -}}
{{- $tag := .image.tag | default .root.Chart.AppVersion -}}
{{ .image.repository }}{{ if .image.digest }}@{{ .image.digest }}{{ else }}:{{ $tag }}{{ end }}
{{- end }}

{{- define "nameward.pullSecrets" }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* Where kubelet's word for the API server is replaced. */ -}}
{{- define "nameward.apiServer" -}}
{{- with .Values.apiServer.host }}
- {name: KUBERNETES_SERVICE_HOST, value: {{ . | quote }}}
{{- end }}
{{- with .Values.apiServer.port }}
- {name: KUBERNETES_SERVICE_PORT, value: {{ . | quote }}}
- {name: KUBERNETES_SERVICE_PORT_HTTPS, value: {{ . | quote }}}
{{- end }}
{{- end }}

{{- /* Whether replicas of CoreDNS serve enforcers over TCP. */ -}}
{{- define "nameward.stream" -}}
{{- if has .Values.dns.mode (list "beside" "replace") }}true{{ end }}
{{- end }}

{{- /* Enforcers show tokens, and need an authority, wherever one target is not of their own node. */ -}}
{{- define "nameward.tcp" -}}
{{- if include "nameward.stream" . }}true{{ end }}
{{- range .Values.enforcer.dnsTargets }}{{ if not (hasPrefix "unix://" .) }}true{{ end }}{{ end }}
{{- end }}

{{- define "nameward.targets" -}}
{{- if .Values.enforcer.dnsTargets }}
{{- range .Values.enforcer.dnsTargets }}
- {{ printf "--dns=%s" . }}
{{- end }}
{{- else if include "nameward.stream" . }}
- --dns=service://{{ .Release.Namespace }}/nameward-dns-stream:7353
{{- else if eq .Values.dns.mode "node-local" }}
- --dns=unix:///run/nameward/dns.sock
{{- end }}
{{- end }}

{{- /* What pods with name rules may always ask (N8), where it is no Service: those enforcers look up themselves. */ -}}
{{- define "nameward.clusterDNS" -}}
{{- if eq .Values.dns.mode "node-local" }}{{ .Values.dns.nodeLocal.address }},{{ .Values.dns.nodeLocal.clusterDNS }}{{ end }}
{{- end }}
