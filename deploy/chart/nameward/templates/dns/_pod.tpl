{{- define "nameward.dns.place" }}
{{- with .Values.dns.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- include "nameward.pullSecrets" . }}
{{- end }}

{{- define "nameward.dns.metadata" -}}
labels:
  {{- include "nameward.selector" (dict "component" "dns") | nindent 2 }}
  {{- with .Values.dns.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .Values.dns.podAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
