{{/* Peers of a server: those of the values, else any address but link-local ones, where clouds keep their metadata and credentials. */}}
{{- define "parley.peersOf" -}}
{{- if .to }}
{{- toYaml .to }}
{{- else }}
- ipBlock:
    cidr: 0.0.0.0/0
    except: [169.254.0.0/16]
- ipBlock:
    cidr: ::/0
    except: [fe80::/10, fd00:ec2::254/128]
{{- end }}
{{- end }}

{{/* Egress to servers: `names` of those in `global.networkPolicy.servers`. */}}
{{- define "parley.egressTo" -}}
{{- $servers := .servers }}
{{- range .names }}
{{- $server := get $servers . }}
- to:
    {{- include "parley.peersOf" $server | nindent 4 }}
  ports:
    - protocol: TCP
      port: {{ $server.port }}
{{- end }}
{{- end }}

{{- define "parley.egressToDns" -}}
- to:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: kube-system
  ports:
    - protocol: UDP
      port: 53
    - protocol: TCP
      port: 53
{{- end }}

{{/* Pods of this app take and make these connections and no others. */}}
{{- define "parley.networkPolicy" -}}
{{- $global := include "parley.global" . | fromYaml }}
{{- $app := include "parley.app" . | fromYaml }}
{{- $servers := list "postgres" "rabbitmq" }}
{{- if has "CHROMA_TOKEN" $app.optional }}{{ $servers = append $servers "chroma" }}{{ end }}
{{- if $global.redis.enabled }}{{ $servers = append $servers "redis" }}{{ end }}
{{- if has "RABBITMQ_MANAGEMENT_URL" $app.optional }}{{ $servers = append $servers "rabbitmqManagement" }}{{ end }}
{{- if (include "parley.settings" . | fromYaml).OTEL_EXPORTER_OTLP_ENDPOINT }}{{ $servers = append $servers "collector" }}{{ end }}
{{- if $global.networkPolicy.enabled }}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "parley.metadata" . | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "parley.selectorLabels" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    - from:
        - podSelector:
            matchLabels:
              app.kubernetes.io/name: ops
              app.kubernetes.io/instance: {{ .Release.Name }}
        {{- with $global.networkPolicy.monitoringFrom }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      ports:
        - protocol: TCP
          port: 9090
    {{- if $app.callers }}
    {{- /* Callers come through load balancers, which may have the address of a node: no peer unless the values name one. */}}
    - ports:
        - protocol: TCP
          port: 8080
      {{- with .Values.networkPolicy.callersFrom }}
      from:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    {{- end }}
  egress:
    {{- include "parley.egressToDns" . | nindent 4 }}
    {{- include "parley.egressTo" (dict "servers" $global.networkPolicy.servers "names" $servers) | nindent 4 }}
    {{- if eq .Chart.Name "ops" }}
    - to:
        - podSelector:
            matchLabels:
              app.kubernetes.io/part-of: parley
              app.kubernetes.io/instance: {{ .Release.Name }}
      ports:
        - protocol: TCP
          port: 9090
    {{- end }}
    {{- with .Values.networkPolicy.httpsTo }}
    - to:
        {{- range . }}
        - ipBlock:
            cidr: {{ . }}
            {{- if hasSuffix "/0" . }}
            except: [{{ ternary "169.254.0.0/16" "fe80::/10" (contains "." .) }}]
            {{- end }}
        {{- end }}
      ports:
        - protocol: TCP
          port: 443
    {{- end }}
    {{- with .Values.networkPolicy.extraEgress }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}
{{- end }}

{{/* Paths that callers reach. Probes and metrics are not among them; they have a port of their own. */}}
{{- define "parley.publicPaths" -}}
{{- if eq .Chart.Name "realtime" }}
- { path: /v1/ws, type: Exact }
{{- else }}
- { path: /, type: Exact }
- { path: /assets, type: Prefix }
- { path: /console.json, type: Exact }
- { path: /mcp, type: Exact }
- { path: /.well-known/oauth-protected-resource, type: Prefix }
- { path: /v1, type: Prefix }
- { path: /docs, type: Prefix }
- { path: /problems, type: Prefix }
- { path: /openapi.json, type: Exact }
- { path: /asyncapi.json, type: Exact }
{{- end }}
{{- end }}

{{/* Where browsers find this app, such as https://chat.example.com; empty: nowhere. Behind a Gateway TLS is taken to be there. */}}
{{- define "parley.publicOrigin" -}}
{{- if and .Values.ingress.enabled .Values.ingress.host }}
{{- printf "%s://%s" (ternary "https" "http" (not (empty .Values.ingress.tlsSecret))) .Values.ingress.host }}
{{- else if and .Values.httpRoute.enabled .Values.httpRoute.hostnames }}
{{- printf "https://%s" (first .Values.httpRoute.hostnames) }}
{{- end }}
{{- end }}

{{/* Annotations that other controllers than nginx ignore; nothing here needs them. */}}
{{- define "parley.ingress" -}}
{{- if .Values.ingress.enabled }}
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  {{- include "parley.metadata" . | nindent 2 }}
  annotations:
    nginx.ingress.kubernetes.io/proxy-read-timeout: {{ .Values.timeoutSeconds | quote }}
    nginx.ingress.kubernetes.io/proxy-send-timeout: {{ .Values.timeoutSeconds | quote }}
    {{- if eq .Chart.Name "gateway" }}
    nginx.ingress.kubernetes.io/proxy-body-size: "10485760"
    {{- end }}
    {{- with .Values.ingress.annotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  {{- with .Values.ingress.className }}
  ingressClassName: {{ . }}
  {{- end }}
  {{- with .Values.ingress.tlsSecret }}
  tls:
    - hosts: [{{ $.Values.ingress.host }}]
      secretName: {{ . }}
  {{- end }}
  rules:
    - host: {{ .Values.ingress.host }}
      http:
        paths:
          {{- range include "parley.publicPaths" . | fromYamlArray }}
          - path: {{ .path }}
            pathType: {{ .type }}
            backend:
              service:
                name: {{ include "parley.name" $ }}
                port:
                  name: http
          {{- end }}
{{- end }}
{{- end }}

{{- define "parley.httpRoute" -}}
{{- if .Values.httpRoute.enabled }}
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  {{- include "parley.metadata" . | nindent 2 }}
  {{- with .Values.httpRoute.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  parentRefs:
    {{- toYaml .Values.httpRoute.parentRefs | nindent 4 }}
  hostnames:
    {{- toYaml .Values.httpRoute.hostnames | nindent 4 }}
  rules:
    {{- if and .Values.httpRoute.timeouts (eq .Chart.Name "gateway") }}
    # The admin stream is one answer of up to an hour.
    - matches:
        - path:
            type: Exact
            value: /v1/admin/live
      timeouts:
        request: 3600s
      backendRefs:
        - name: {{ include "parley.name" . }}
          port: 80
    {{- end }}
    - matches:
        {{- range include "parley.publicPaths" . | fromYamlArray }}
        - path:
            type: {{ ternary "PathPrefix" "Exact" (eq .type "Prefix") }}
            value: {{ .path }}
        {{- end }}
      {{- if .Values.httpRoute.timeouts }}
      timeouts:
        request: {{ printf "%vs" .Values.timeoutSeconds }}
      {{- end }}
      backendRefs:
        - name: {{ include "parley.name" . }}
          port: 80
{{- end }}
{{- end }}
