{{/* Name of everything that belongs to this app: <release>-<app>. */}}
{{- define "parley.name" -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- define "parley.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "parley.labels" -}}
{{ include "parley.selectorLabels" . }}
app.kubernetes.io/part-of: parley
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "parley.metadata" -}}
name: {{ include "parley.name" . }}
labels:
  {{- include "parley.labels" . | nindent 2 }}
{{- end }}

{{/* Name of the Secret with this app's logins; the chart never makes it. */}}
{{- define "parley.secretName" -}}
{{- .Values.existingSecret | default (include "parley.name" .) }}
{{- end }}

{{- define "parley.image" -}}
{{- $image := (include "parley.global" . | fromYaml).image }}
{{- if $image.digest }}{{ $image.repository }}@{{ $image.digest }}{{ else }}{{ $image.repository }}:{{ $image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}
