{{- define "parley.devSecret" -}}
{{- .Values.devServers.existingSecret | default (printf "%s-dev-servers" .Release.Name) }}
{{- end }}

{{- define "parley.devLabels" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end }}

{{/* A server of one pod with a disk. @param root, name, user, ports (YAML), data (path), disk, memory, pod (YAML), container (YAML) */}}
{{- define "parley.devServer" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ .root.Release.Name }}-{{ .name }}
  labels:
    {{- include "parley.devLabels" . | nindent 4 }}
spec:
  clusterIP: None
  publishNotReadyAddresses: true
  selector:
    {{- include "parley.devLabels" . | nindent 4 }}
  ports:
    {{- range .ports }}
    - name: port-{{ . }}
      port: {{ . }}
      targetPort: {{ . }}
    {{- end }}
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ .root.Release.Name }}-{{ .name }}
  labels:
    {{- include "parley.devLabels" . | nindent 4 }}
spec:
  serviceName: {{ .root.Release.Name }}-{{ .name }}
  replicas: 1
  selector:
    matchLabels:
      {{- include "parley.devLabels" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "parley.devLabels" . | nindent 8 }}
    spec:
      automountServiceAccountToken: false
      enableServiceLinks: false
      terminationGracePeriodSeconds: 60
      securityContext:
        runAsNonRoot: true
        runAsUser: {{ .user }}
        runAsGroup: {{ .user }}
        fsGroup: {{ .user }}
        seccompProfile:
          type: RuntimeDefault
      containers:
        - name: {{ .name }}
          {{- .container | nindent 10 }}
          resources:
            requests:
              cpu: 100m
              memory: {{ .memory }}
            limits:
              memory: {{ .memory }}
          securityContext:
            allowPrivilegeEscalation: false
            privileged: false
            runAsNonRoot: true
            capabilities:
              drop: [ALL]
          volumeMounts:
            - name: data
              mountPath: {{ .data }}
            {{- with .mounts }}
            {{- . | nindent 12 }}
            {{- end }}
      {{- with .volumes }}
      volumes:
        {{- . | nindent 8 }}
      {{- end }}
  volumeClaimTemplates:
    - metadata:
        name: data
      spec:
        accessModes: [ReadWriteOnce]
        resources:
          requests:
            storage: {{ .disk }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ .root.Release.Name }}-{{ .name }}
  labels:
    {{- include "parley.devLabels" . | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include "parley.devLabels" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    - from:
        - podSelector:
            matchLabels:
              app.kubernetes.io/instance: {{ .root.Release.Name }}
              app.kubernetes.io/part-of: parley
      ports:
        {{- range .ports }}
        - protocol: TCP
          port: {{ . }}
        {{- end }}
{{- end }}
