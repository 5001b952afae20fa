{{/* For apps that answer callers: CPU, and what else the values name. Up fast, down slowly. */}}
{{- define "parley.horizontalPodAutoscaler" -}}
{{- if .Values.autoscaling.enabled }}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  {{- include "parley.metadata" . | nindent 2 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {{ include "parley.name" . }}
  minReplicas: {{ .Values.autoscaling.minReplicas }}
  maxReplicas: {{ .Values.autoscaling.maxReplicas }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: {{ .Values.autoscaling.cpuPercent }}
    {{- with .Values.autoscaling.metrics }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  behavior:
    scaleUp:
      stabilizationWindowSeconds: 0
      policies:
        - type: Percent
          value: 100
          periodSeconds: 30
    scaleDown:
      stabilizationWindowSeconds: 300
      policies:
        - type: Percent
          value: 50
          periodSeconds: 300
{{- end }}
{{- end }}

{{/*
For apps that consume: the depth of their queues, asked over HTTP because AMQP does not tell what is in work (unacknowledged).
Where RabbitMQ does not answer, `fallbackReplicas` run. `maxReplicas` counts in the connection budget, so it can never outgrow Postgres.
*/}}
{{- define "parley.scaledObject" -}}
{{- if .Values.keda.enabled }}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  {{- include "parley.metadata" . | nindent 2 }}
spec:
  scaleTargetRef:
    name: {{ include "parley.name" . }}
  pollingInterval: {{ .Values.keda.pollingSeconds }}
  cooldownPeriod: 300
  minReplicaCount: {{ .Values.keda.minReplicas }}
  maxReplicaCount: {{ .Values.keda.maxReplicas }}
  fallback:
    failureThreshold: 3
    replicas: {{ .Values.keda.fallbackReplicas }}
  advanced:
    horizontalPodAutoscalerConfig:
      behavior:
        scaleDown:
          stabilizationWindowSeconds: 300
          policies:
            - type: Percent
              value: 50
              periodSeconds: 300
  triggers:
    {{- range $queue, $length := .Values.keda.queues }}
    - type: rabbitmq
      metadata:
        protocol: http
        mode: QueueLength
        queueName: {{ $queue }}
        value: {{ include "parley.text" $length | quote }}
        activationValue: "0"
        excludeUnacknowledged: "false"
      authenticationRef:
        name: {{ include "parley.name" $ }}
    {{- end }}
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  {{- include "parley.metadata" . | nindent 2 }}
spec:
  secretTargetRef:
    - parameter: host
      name: {{ .Values.keda.existingSecret | default (printf "%s-keda" .Release.Name) }}
      key: RABBITMQ_HTTP_URL
{{- end }}
{{- end }}
