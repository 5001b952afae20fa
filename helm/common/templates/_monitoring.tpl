{{- define "parley.serviceMonitor" -}}
{{- $monitor := (include "parley.global" . | fromYaml).monitoring.serviceMonitor }}
{{- if $monitor.enabled }}
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: {{ include "parley.name" . }}
  labels:
    {{- include "parley.labels" . | nindent 4 }}
    {{- with $monitor.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  jobLabel: app.kubernetes.io/name
  selector:
    matchLabels:
      {{- include "parley.selectorLabels" . | nindent 6 }}
      app.kubernetes.io/component: metrics
  endpoints:
    - port: operations
      path: /metrics
      interval: {{ $monitor.intervalSeconds }}s
      scrapeTimeout: 5s
{{- end }}
{{- end }}
