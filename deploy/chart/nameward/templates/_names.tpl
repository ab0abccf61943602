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

{{- /* What pods with name rules may always ask (N8). The API server gives our Service its address when it is made;
kubelet tells it to pods that start later, in the variable of its name. */ -}}
{{- define "nameward.clusterDNS" -}}
{{- $known := list -}}
{{- if eq .Values.dns.mode "node-local" }}
{{- $known = list .Values.dns.nodeLocal.address }}
{{- if .Values.dns.nodeLocal.clusterDNS }}{{ $known = append $known .Values.dns.nodeLocal.clusterDNS }}{{ end }}
{{- else if include "nameward.stream" . }}
{{- if .Values.dns.service.clusterIP }}
{{- $known = append $known .Values.dns.service.clusterIP }}
{{- else }}
{{- $known = append $known "$(NAMEWARD_DNS_SERVICE_HOST)" }}
{{- end }}
{{- end }}
{{- $kubeDNS := lookup "v1" "Service" "kube-system" "kube-dns" }}
{{- if $kubeDNS }}{{ $known = concat $known ($kubeDNS.spec.clusterIPs | default list) }}{{ end }}
{{- join "," ($known | uniq) }}
{{- end }}
