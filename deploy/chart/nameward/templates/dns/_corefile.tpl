{{- /* As corefile/kubernetes-token.Corefile; a test compares. */ -}}
{{- define "nameward.dns.corefile" -}}
# The cluster's DNS, where enforcers prove who they are with the token that
# Kubernetes gives their pod: no certificates on nodes. CoreDNS's service account
# needs to create tokenreviews and to list pods; see plugin/README.md.
.:53 {
    errors
    health :8080 {
        lameduck 5s
    }
    ready :8181 {
        monitor continuously
    }
    prometheus :9153
    nameward {
        listen tcp://:7353
        tls /etc/nameward/tls/tls.crt /etc/nameward/tls/tls.key
        authenticate token nameward {{ .Release.Namespace }}/nameward-enforcer
        verify_pods
        {{- range .Values.dns.pluginOptions }}
        {{ . }}
        {{- end }}
    }
    kubernetes {{ .Values.dns.clusterDomain }} {{ join " " .Values.dns.reverseZones }} {
        pods insecure
        fallthrough {{ join " " .Values.dns.reverseZones }}
        ttl 30
    }
    cache 30
    loop
    forward . {{ join " " .Values.dns.upstream }} {
        max_concurrent 1000
    }
    reload
    loadbalance
}
{{- with .Values.dns.serverBlocks }}
{{ . | trimSuffix "\n" }}
{{- end }}
{{- end }}

{{- /* As corefile/node-local.Corefile; a test compares. */ -}}
{{- define "nameward.dns.nodeLocalCorefile" -}}
# A cache on each node in front of the cluster's DNS, as NodeLocal DNSCache is:
# here the pods' own addresses are seen, so here nameward belongs, and the
# cluster's CoreDNS needs none. The enforcer of the same node connects over the
# unix socket. CLUSTER_DNS is the address of the cluster's CoreDNS.
{{ .Values.dns.clusterDomain }}:53{{ range .Values.dns.reverseZones }} {{ . }}:53{{ end }} {
    errors
    bind {{ .Values.dns.nodeLocal.address }}
    nameward {
        listen unix:///run/nameward/dns.sock
        {{- range .Values.dns.pluginOptions }}
        {{ . }}
        {{- end }}
    }
    cache {
        success 9984 30
        denial 9984 5
    }
    loop
    forward . {$CLUSTER_DNS} {
        force_tcp
    }
    reload
}

.:53 {
    errors
    bind {{ .Values.dns.nodeLocal.address }}
    health {{ include "nameward.dns.bracketed" . }}:8080
    ready {{ include "nameward.dns.bracketed" . }}:8181
    prometheus :9253
    # It shares the endpoint and the journal of the block above.
    nameward
    cache 30
    loop
    forward . {{ join " " .Values.dns.upstream }}
    reload
}
{{- with .Values.dns.serverBlocks }}
{{ . | trimSuffix "\n" }}
{{- end }}
{{- end }}

{{- define "nameward.dns.bracketed" -}}
{{- if contains ":" .Values.dns.nodeLocal.address }}[{{ .Values.dns.nodeLocal.address }}]{{ else }}{{ .Values.dns.nodeLocal.address }}{{ end }}
{{- end }}
