{{- define "parley.deployment" -}}
{{- include "parley.validate" . }}
{{- $global := include "parley.global" . | fromYaml }}
{{- $app := include "parley.app" . | fromYaml }}
{{- $scales := or (.Values.autoscaling | default dict).enabled (.Values.keda | default dict).enabled }}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "parley.metadata" . | nindent 2 }}
spec:
  {{- if not $scales }}
  replicas: {{ .Values.replicas }}
  {{- end }}
  revisionHistoryLimit: 5
  minReadySeconds: 5
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxSurge: {{ .Values.surge }}
      maxUnavailable: {{ ternary 1 0 (eq (.Values.surge | int) 0) }}
  selector:
    matchLabels:
      {{- include "parley.selectorLabels" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "parley.labels" . | nindent 8 }}
        {{- with .Values.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      annotations:
        checksum/config: {{ include "parley.settings" . | sha256sum }}
        {{- with .Values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      serviceAccountName: {{ include "parley.name" . }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      terminationGracePeriodSeconds: {{ include "parley.graceSeconds" . }}
      securityContext:
        {{- include "parley.podSecurity" . | nindent 8 }}
      {{- include "parley.imagePull" . | nindent 6 }}
      {{- include "parley.scheduling" . | nindent 6 }}
      {{- if $global.topologySpread.enabled }}
      topologySpreadConstraints:
        {{- include "parley.topologySpread" . | nindent 8 }}
      {{- end }}
      containers:
        - name: {{ .Chart.Name }}
          image: {{ include "parley.image" . }}
          imagePullPolicy: {{ $global.image.pullPolicy }}
          args: [{{ .Chart.Name }}]
          ports:
            - name: http
              containerPort: 8080
            - name: operations
              containerPort: 9090
          envFrom:
            - configMapRef:
                name: {{ include "parley.name" . }}
          env:
            {{- include "parley.secretVariables" . | nindent 12 }}
          resources:
            {{- include "parley.resources" .Values.resources | nindent 12 }}
          lifecycle:
            {{- include "parley.lifecycle" . | nindent 12 }}
          {{- include "parley.probes" . | nindent 10 }}
          securityContext:
            {{- include "parley.containerSecurity" . | nindent 12 }}
          volumeMounts:
            - name: tmp
              mountPath: /tmp
            {{- if and $app.objects $global.objectStore.existingClaim }}
            - name: objects
              mountPath: /var/lib/parley/objects
            {{- end }}
      volumes:
        - name: tmp
          emptyDir:
            sizeLimit: {{ .Values.resources.ephemeralStorage }}
        {{- if and $app.objects $global.objectStore.existingClaim }}
        - name: objects
          persistentVolumeClaim:
            claimName: {{ $global.objectStore.existingClaim }}
        {{- end }}
{{- end }}

{{- define "parley.configMap" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  {{- include "parley.metadata" . | nindent 2 }}
data:
  {{- range $name, $value := include "parley.settings" . | fromYaml }}
  {{ $name }}: {{ $value | toString | quote }}
  {{- end }}
{{- end }}

{{- define "parley.serviceAccount" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "parley.metadata" . | nindent 2 }}
automountServiceAccountToken: false
{{- end }}

{{/* For callers; apps without them have none. */}}
{{- define "parley.service" -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "parley.metadata" . | nindent 2 }}
  {{- with .Values.service.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  type: {{ .Values.service.type }}
  selector:
    {{- include "parley.selectorLabels" . | nindent 4 }}
  ports:
    - name: http
      port: 80
      targetPort: http
      appProtocol: http
{{- end }}

{{/* Headless: every pod, also one that drains, for Prometheus and for ops (METRICS_TARGETS). */}}
{{- define "parley.metricsService" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "parley.name" . }}-metrics
  labels:
    {{- include "parley.labels" . | nindent 4 }}
    app.kubernetes.io/component: metrics
spec:
  clusterIP: None
  publishNotReadyAddresses: true
  selector:
    {{- include "parley.selectorLabels" . | nindent 4 }}
  ports:
    - name: operations
      port: 9090
      targetPort: operations
{{- end }}

{{/* One pod may go at a time. Never for a single pod: its node could not be emptied. */}}
{{- define "parley.podDisruptionBudget" -}}
{{- $least := .Values.replicas | int }}
{{- if (.Values.autoscaling | default dict).enabled }}{{ $least = .Values.autoscaling.minReplicas | int }}{{ end }}
{{- if (.Values.keda | default dict).enabled }}{{ $least = .Values.keda.minReplicas | int }}{{ end }}
{{- if gt $least 1 }}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "parley.metadata" . | nindent 2 }}
spec:
  maxUnavailable: 1
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "parley.selectorLabels" . | nindent 6 }}
{{- end }}
{{- end }}
