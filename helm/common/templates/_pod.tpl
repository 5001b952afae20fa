{{- define "parley.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "parley.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
privileged: false
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* One variable from this app's Secret. */}}
{{- define "parley.secretVariable" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .secret }}
      key: {{ .name }}
      {{- if .optional }}
      optional: true
      {{- end }}
{{- end }}

{{- define "parley.secretVariables" -}}
{{- $required := (include "parley.requiredSecrets" . | fromYaml).items }}
{{- $secret := include "parley.secretName" . }}
{{- range $required }}
{{ include "parley.secretVariable" (dict "name" . "secret" $secret) }}
{{- end }}
{{- range (include "parley.app" . | fromYaml).optional }}
{{- if not (has . $required) }}
{{ include "parley.secretVariable" (dict "name" . "secret" $secret "optional" true) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Memory is asked for in full: a pod that gets more than it asked for is the first to be ended. CPU may be shared. */}}
{{- define "parley.resources" -}}
requests:
  cpu: {{ .cpu | quote }}
  memory: {{ .memory | quote }}
  ephemeral-storage: {{ .ephemeralStorage | quote }}
limits:
  {{- with .cpuLimit }}
  cpu: {{ . | quote }}
  {{- end }}
  memory: {{ .memory | quote }}
  ephemeral-storage: {{ .ephemeralStorage | quote }}
{{- end }}

{{/* Before SIGTERM: load balancers notice that the pod leaves. The kubelet sleeps; the image needs no shell for it. */}}
{{- define "parley.lifecycle" -}}
preStop:
  sleep:
    seconds: {{ (include "parley.global" . | fromYaml).shutdown.preStopSeconds }}
{{- end }}

{{- define "parley.graceSeconds" -}}
{{- $shutdown := (include "parley.global" . | fromYaml).shutdown }}
{{- add (include "parley.drainSeconds" . | int) $shutdown.preStopSeconds $shutdown.marginSeconds }}
{{- end }}

{{- define "parley.probes" -}}
startupProbe:
  httpGet:
    path: /livez
    port: operations
  periodSeconds: 2
  failureThreshold: 30
  timeoutSeconds: 2
livenessProbe:
  httpGet:
    path: /livez
    port: operations
  periodSeconds: 10
  failureThreshold: 3
  timeoutSeconds: 2
readinessProbe:
  httpGet:
    path: /readyz
    port: operations
  periodSeconds: 5
  failureThreshold: 2
  timeoutSeconds: 2
{{- end }}

{{- define "parley.topologySpread" -}}
{{- $strict := ge (include "parley.mostPods" .Values | int) (add 3 (.Values.surge | int)) }}
- maxSkew: 1
  topologyKey: topology.kubernetes.io/zone
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "parley.selectorLabels" . | nindent 6 }}
  matchLabelKeys: [pod-template-hash]
- maxSkew: 1
  topologyKey: kubernetes.io/hostname
  whenUnsatisfiable: {{ ternary "DoNotSchedule" "ScheduleAnyway" $strict }}
  labelSelector:
    matchLabels:
      {{- include "parley.selectorLabels" . | nindent 6 }}
  matchLabelKeys: [pod-template-hash]
{{- end }}

{{/* Where pods may run: the same values for every app. */}}
{{- define "parley.scheduling" -}}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "parley.imagePull" -}}
{{- with (include "parley.global" . | fromYaml).image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}
