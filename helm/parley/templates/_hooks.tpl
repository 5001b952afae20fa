{{/* The apps of this release and their values, as YAML. */}}
{{- define "parley.enabledApps" -}}
{{- $enabled := dict }}
{{- range $name, $_ := include "parley.apps" . | fromYaml }}
{{- $values := get $.Values $name }}
{{- if $values.enabled }}{{ $_ := set $enabled $name $values }}{{ end }}
{{- end }}
{{- toYaml $enabled }}
{{- end }}

{{/* Before anything else changes. Servers of this chart are not there yet at the first installation: then after it, and the apps wait. */}}
{{- define "parley.hookMetadata" -}}
name: {{ .root.Release.Name }}-{{ .job }}
labels:
  {{- include "parley.jobLabels" . | nindent 2 }}
annotations:
  helm.sh/hook: {{ ternary "post-install,pre-upgrade" "pre-install,pre-upgrade" .root.Values.devServers.enabled }}
  helm.sh/hook-weight: {{ .weight | quote }}
  helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}

{{- define "parley.jobLabels" -}}
app.kubernetes.io/name: {{ .job }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/part-of: parley
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- end }}

{{/* What both jobs have: @param root, job, values, container (YAML of command, env ...). */}}
{{- define "parley.hookJob" -}}
{{- $global := include "parley.global" .root | fromYaml }}
apiVersion: batch/v1
kind: Job
metadata:
  {{- include "parley.hookMetadata" . | nindent 2 }}
spec:
  backoffLimit: 6
  activeDeadlineSeconds: {{ .values.deadlineSeconds }}
  template:
    metadata:
      labels:
        {{- include "parley.jobLabels" . | nindent 8 }}
    spec:
      restartPolicy: Never
      automountServiceAccountToken: false
      enableServiceLinks: false
      securityContext:
        {{- include "parley.podSecurity" .root | nindent 8 }}
      {{- include "parley.imagePull" .root | nindent 6 }}
      containers:
        - name: {{ .job }}
          image: {{ include "parley.image" .root }}
          imagePullPolicy: {{ $global.image.pullPolicy }}
          {{- .container | nindent 10 }}
          resources:
            {{- include "parley.resources" .values.resources | nindent 12 }}
          securityContext:
            {{- include "parley.containerSecurity" .root | nindent 12 }}
          volumeMounts:
            - name: tmp
              mountPath: /tmp
      volumes:
        - name: tmp
          emptyDir:
            sizeLimit: {{ .values.resources.ephemeralStorage }}
{{- end }}
