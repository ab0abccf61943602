{{- define "nameward.enforcer.security" -}}
runAsUser: 0
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
seccompProfile:
  {{- toYaml .Values.enforcer.seccompProfile | nindent 2 }}
{{- with .Values.enforcer.appArmorProfile }}
appArmorProfile:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.enforcer.seLinuxOptions }}
seLinuxOptions:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "nameward.enforcer.cniContainer" -}}
name: cni
image: {{ include "nameward.image" (dict "root" .root "image" .root.Values.enforcer.image) }}
imagePullPolicy: {{ .root.Values.enforcer.image.pullPolicy }}
command: [/enforcer, cni, {{ .command }}]
args:
  - --conf-dir={{ .root.Values.cni.confDir }}
  - --bin-dir={{ .root.Values.cni.binDir }}
  {{- if eq .command "install" }}
  - --mode={{ .root.Values.cni.mode }}
  {{- if eq .root.Values.settings.mode "audit" }}
  - --away=open # as nothing is denied yet
  {{- end }}
  - --watch
  {{- end }}
securityContext:
  {{- include "nameward.enforcer.security" .root | nindent 2 }}
  capabilities: {drop: [ALL]}
volumeMounts:
  - {name: cni-conf, mountPath: {{ .root.Values.cni.confDir }}}
  - {name: cni-bin, mountPath: {{ .root.Values.cni.binDir }}}
{{- end }}

{{- /* Capabilities without which nothing is written to the kernel. */ -}}
{{- define "nameward.enforcer.capabilities" -}}
capabilities:
  drop: [ALL]
  add:
    {{- toYaml .Values.enforcer.capabilities | nindent 4 }}
{{- end }}

{{- define "nameward.enforcer.place" -}}
hostNetwork: true
{{- if .Values.enforcer.hostPID }}
hostPID: true
{{- end }}
dnsPolicy: ClusterFirstWithHostNet
priorityClassName: {{ .Values.enforcer.priorityClassName }}
terminationGracePeriodSeconds: {{ .Values.enforcer.terminationGracePeriodSeconds }}
{{- with .Values.enforcer.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.enforcer.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.enforcer.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- include "nameward.pullSecrets" . }}
{{- end }}

{{- define "nameward.enforcer.hostVolumes" -}}
# The host's own BPF file system: what is pinned there outlives the pod. It has to be there already.
- {name: bpf, hostPath: {path: /sys/fs/bpf, type: Directory}}
- {name: cni-conf, hostPath: {path: {{ .Values.cni.confDir }}, type: DirectoryOrCreate}}
- {name: cni-bin, hostPath: {path: {{ .Values.cni.binDir }}, type: DirectoryOrCreate}}
{{- end }}

{{- define "nameward.enforcer.probe" -}}
httpGet:
  path: {{ .path }}
  port: {{ .root.Values.enforcer.metrics.port }}
  {{- with .root.Values.enforcer.metrics.host }}
  host: {{ . | quote }}
  {{- end }}
{{- end }}

{{- define "nameward.enforcer.args" -}}
- --kubernetes
- --node=$(NODE_NAME)
- --namespace=$(POD_NAMESPACE)
- --pin=/sys/fs/bpf/nameward
- --socket=/run/nameward/enforcer.sock
- --metrics={{ if contains ":" .Values.enforcer.metrics.host }}[{{ .Values.enforcer.metrics.host }}]{{ else }}{{ .Values.enforcer.metrics.host }}{{ end }}:{{ .Values.enforcer.metrics.port }}
{{- include "nameward.targets" . }}
{{- if include "nameward.tcp" . }}
- --tls-ca=/etc/nameward/ca/ca.crt
- --token=/var/run/secrets/nameward/token
{{- end }}
{{- if not .Values.settings.clusterDNS }}
{{- with include "nameward.clusterDNS" . }}
- --cluster-dns={{ . }}
{{- end }}
{{- end }}
{{- with .Values.enforcer.clusterDNSServices }}
- --cluster-dns-services={{ join "," . }}
{{- end }}
- --start-posture={{ lower .Values.settings.startPosture }}
- --connections={{ int .Values.enforcer.connections }}
- --addresses-per-pod={{ int .Values.enforcer.addressesPerPod }}
- --cni-cache={{ .Values.cni.cacheDir }}
- --netns={{ join "," .Values.enforcer.netnsDirectories }}
{{- with .Values.enforcer.podInterfaces }}
- --pod-interfaces={{ join "," . }}
{{- end }}
{{- with .Values.enforcer.ignoreInterfaces }}
- --ignore-interfaces={{ join "," . }}
{{- end }}
{{- with .Values.enforcer.nodeSelector }}
{{- $labels := list -}}
{{- range $key, $value := . }}{{ $labels = append $labels (printf "%s=%s" $key $value) }}{{ end }}
- --node-selector={{ join "," $labels }}
{{- end }}
- --log-format={{ .Values.enforcer.logFormat }}
- --log-level={{ .Values.enforcer.logLevel }}
{{- range .Values.enforcer.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end }}

{{- define "nameward.enforcer.pod" -}}
serviceAccountName: nameward-enforcer
{{ include "nameward.enforcer.place" . }}
{{- if eq .Values.cni.mode "off" }}
initContainers:
  - {{- include "nameward.enforcer.cniContainer" (dict "root" . "command" "uninstall") | nindent 4 }}
{{- end }}
containers:
  - name: enforcer
    image: {{ include "nameward.image" (dict "root" . "image" .Values.enforcer.image) }}
    imagePullPolicy: {{ .Values.enforcer.image.pullPolicy }}
    command: [/enforcer]
    args:
      {{- include "nameward.enforcer.args" . | nindent 6 }}
    env:
      - {name: NODE_NAME, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
      - {name: POD_NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
      - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
      - {name: POD_UID, valueFrom: {fieldRef: {fieldPath: metadata.uid}}}
      {{- with include "nameward.apiServer" . }}
      {{- . | nindent 6 }}
      {{- end }}
    ports:
      - {name: metrics, containerPort: {{ .Values.enforcer.metrics.port }}, hostPort: {{ .Values.enforcer.metrics.port }}, protocol: TCP}
    # No preStop: filters and what pods have learnt are pinned, and stay in force while nobody runs.
    livenessProbe:
      {{- include "nameward.enforcer.probe" (dict "root" . "path" "/healthz") | nindent 6 }}
      initialDelaySeconds: 10
      periodSeconds: 10
      timeoutSeconds: 5
      failureThreshold: 6
    readinessProbe:
      {{- include "nameward.enforcer.probe" (dict "root" . "path" "/readyz") | nindent 6 }}
      periodSeconds: 2
      timeoutSeconds: 2
    {{- with .Values.enforcer.resources }}
    resources:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    securityContext:
      {{- include "nameward.enforcer.security" . | nindent 6 }}
      {{- include "nameward.enforcer.capabilities" . | nindent 6 }}
    volumeMounts:
      - {name: bpf, mountPath: /sys/fs/bpf}
      - {name: run, mountPath: /run/nameward}
      - {name: cni-cache, mountPath: {{ .Values.cni.cacheDir }}, readOnly: true}
      {{- range $i, $path := .Values.enforcer.netnsDirectories }}
      # Network namespaces that are mounted on the host later appear here too.
      - {name: netns-{{ $i }}, mountPath: {{ $path }}, readOnly: true, mountPropagation: HostToContainer}
      {{- end }}
      {{- if include "nameward.tcp" . }}
      - {name: ca, mountPath: /etc/nameward/ca, readOnly: true}
      - {name: token, mountPath: /var/run/secrets/nameward, readOnly: true}
      {{- end }}
  {{- if ne .Values.cni.mode "off" }}
  # It stays: the cluster's CNI may write its configuration later, or anew.
  - {{- include "nameward.enforcer.cniContainer" (dict "root" . "command" "install") | nindent 4 }}
    resources: {requests: {cpu: 5m, memory: 16Mi}}
  {{- end }}
volumes:
  {{- include "nameward.enforcer.hostVolumes" . | nindent 2 }}
  - {name: run, hostPath: {path: /run/nameward, type: DirectoryOrCreate}}
  - {name: cni-cache, hostPath: {path: {{ .Values.cni.cacheDir }}, type: DirectoryOrCreate}}
  {{- range $i, $path := .Values.enforcer.netnsDirectories }}
  - {name: netns-{{ $i }}, hostPath: {path: {{ $path }}, type: DirectoryOrCreate}}
  {{- end }}
  {{- if include "nameward.tcp" . }}
  {{- if eq .Values.certificates.source "cert-manager" }}
  # Of the Secret, the authority alone.
  - {name: ca, secret: {secretName: {{ .Values.certificates.secret }}, items: [{key: ca.crt, path: ca.crt}]}}
  {{- else }}
  - {name: ca, configMap: {name: {{ .Values.certificates.caConfigMap }}}}
  {{- end }}
  - name: token
    projected:
      sources:
        - serviceAccountToken: {audience: nameward, path: token, expirationSeconds: 3600}
  {{- end }}
{{- end }}

{{- /* The same DaemonSet's pod, when it takes away what enforcers left on the node: first the chain plugin, so that new
pods start without it, then filters and pins. A pod that is Ready has done so; it stays, so that every node is done once. */ -}}
{{- define "nameward.enforcer.removal" -}}
serviceAccountName: nameward-enforcer
automountServiceAccountToken: false
{{ include "nameward.enforcer.place" . }}
initContainers:
  - {{- include "nameward.enforcer.cniContainer" (dict "root" . "command" "uninstall") | nindent 4 }}
  # Whatever dns.mode is now: it may have been node-local before.
  - name: address
    image: {{ include "nameward.image" (dict "root" . "image" .Values.enforcer.image) }}
    imagePullPolicy: {{ .Values.enforcer.image.pullPolicy }}
    command: [/enforcer, address, remove]
    args: [--interface={{ .Values.dns.nodeLocal.interface }}]
    securityContext:
      {{- include "nameward.enforcer.security" . | nindent 6 }}
      capabilities: {drop: [ALL], add: [NET_ADMIN]}
  - name: filters
    image: {{ include "nameward.image" (dict "root" . "image" .Values.enforcer.image) }}
    imagePullPolicy: {{ .Values.enforcer.image.pullPolicy }}
    command: [/enforcer, detach]
    args: [--pin=/sys/fs/bpf/nameward, --socket=/run/nameward/enforcer.sock, --missing-ok]
    securityContext:
      {{- include "nameward.enforcer.security" . | nindent 6 }}
      {{- include "nameward.enforcer.capabilities" . | nindent 6 }}
    volumeMounts:
      - {name: bpf, mountPath: /sys/fs/bpf}
      - {name: run, mountPath: /run/nameward}
containers:
  - name: enforcer
    image: {{ include "nameward.image" (dict "root" . "image" .Values.enforcer.image) }}
    imagePullPolicy: {{ .Values.enforcer.image.pullPolicy }}
    command: [/enforcer, wait]
    args: []
    securityContext:
      {{- include "nameward.enforcer.security" . | nindent 6 }}
      capabilities: {drop: [ALL]}
volumes:
  {{- include "nameward.enforcer.hostVolumes" . | nindent 2 }}
  - {name: run, hostPath: {path: /run/nameward, type: DirectoryOrCreate}}
{{- end }}

{{- define "nameward.enforcer.daemonset" -}}
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: nameward-enforcer
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "nameward.labels" (dict "root" .root "component" "enforcer") | nindent 4 }}
spec:
  selector:
    matchLabels:
      {{- include "nameward.selector" (dict "component" "enforcer") | nindent 6 }}
  updateStrategy:
    type: RollingUpdate
    rollingUpdate:
      maxUnavailable: {{ if .removal }}100%{{ else }}{{ .root.Values.enforcer.maxUnavailable }}{{ end }}
  template:
    metadata:
      labels:
        {{- include "nameward.selector" (dict "component" "enforcer") | nindent 8 }}
        {{- with .root.Values.enforcer.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with .root.Values.enforcer.podAnnotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      {{- if .removal }}
      {{- include "nameward.enforcer.removal" .root | nindent 6 }}
      {{- else }}
      {{- include "nameward.enforcer.pod" .root | nindent 6 }}
      {{- end }}
{{- end }}
