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
  selector:
    matchLabels:
      {{- include "parley.selectorLabels" . | nindent 6 }}
      app.kubernetes.io/component: metrics
  endpoints:
    - port: operations
      path: /metrics
      interval: {{ $monitor.intervalSeconds }}s
      scrapeTimeout: 5s
      # The rules look for jobs with `parley` in their name and for the label `service`; a process that says its own (build_info) is believed.
      honorLabels: true
      relabelings:
        - targetLabel: job
          replacement: parley
        - targetLabel: service
          replacement: {{ .Chart.Name }}
{{- end }}
{{- end }}
