{{/*
What the charts must know of each app; a test compares it with the code (test/operate/helm-policy.e2e-spec.ts).
  drainMs       longest drain after SIGTERM (libs/runtime/src/process/drain-times.ts), without `drainSetting`
  drainSetting  the setting that adds to it, and its default
  callers       takes requests of users on port 8080
  workers       may run several worker processes (WEB_CONCURRENCY)
  objects       reads or writes the object store
  required      settings that its Secret must have
  optional      settings that its Secret may have
*/}}
{{- define "parley.apps" -}}
gateway:
  drainMs: 55000
  callers: true
  workers: true
  objects: true
  required: [DATABASE_URL, RABBITMQ_URL]
  optional: [RABBITMQ_MANAGEMENT_URL, CHROMA_TOKEN, EMBEDDING_API_KEY, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY, OTEL_EXPORTER_OTLP_HEADERS, LANGFUSE_PUBLIC_KEY, LANGFUSE_SECRET_KEY]
realtime:
  drainMs: 5000
  drainSetting: WS_DRAIN_MS
  drainDefaultMs: 15000
  callers: true
  required: [DATABASE_URL, RABBITMQ_URL]
  optional: [OTEL_EXPORTER_OTLP_HEADERS, LANGFUSE_PUBLIC_KEY, LANGFUSE_SECRET_KEY]
embedding:
  drainMs: 15000
  drainSetting: BUS_DRAIN_MS
  drainDefaultMs: 35000
  required: [DATABASE_URL, RABBITMQ_URL]
  optional: [CHROMA_TOKEN, EMBEDDING_API_KEY, OTEL_EXPORTER_OTLP_HEADERS, LANGFUSE_PUBLIC_KEY, LANGFUSE_SECRET_KEY]
scoring:
  drainMs: 15000
  drainSetting: BUS_DRAIN_MS
  drainDefaultMs: 35000
  objects: true
  required: [DATABASE_URL, RABBITMQ_URL]
  optional: [LLM_API_KEY, MEMORY_API_KEY, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY, OTEL_EXPORTER_OTLP_HEADERS, LANGFUSE_PUBLIC_KEY, LANGFUSE_SECRET_KEY]
delivery:
  drainMs: 15000
  drainSetting: BUS_DRAIN_MS
  drainDefaultMs: 35000
  required: [DATABASE_URL, RABBITMQ_URL]
  optional: [FCM_SERVICE_ACCOUNT, ONESIGNAL_APP_ID, ONESIGNAL_API_KEY, OTEL_EXPORTER_OTLP_HEADERS, LANGFUSE_PUBLIC_KEY, LANGFUSE_SECRET_KEY]
ops:
  drainMs: 15000
  drainSetting: BUS_DRAIN_MS
  drainDefaultMs: 35000
  objects: true
  required: [DATABASE_URL, RABBITMQ_URL]
  optional: [RABBITMQ_MANAGEMENT_URL, CHROMA_TOKEN, EMBEDDING_API_KEY, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY, GOOGLE_CHAT_WEBHOOK_URL, ALERT_WEBHOOK_URL, OTEL_EXPORTER_OTLP_HEADERS, LANGFUSE_PUBLIC_KEY, LANGFUSE_SECRET_KEY]
{{- end }}

{{/* The row of this chart's app, as YAML. */}}
{{- define "parley.app" -}}
{{- get (include "parley.apps" . | fromYaml) .Chart.Name | toYaml }}
{{- end }}

{{/* `global` over the defaults of the library, as YAML. */}}
{{- define "parley.global" -}}
{{- mergeOverwrite (deepCopy .Values.common) (deepCopy (.Values.global | default dict)) | toYaml }}
{{- end }}

{{/*
The settings of this app that are no secrets: what the chart decides, then `global.config`, then its own `config`. The console is served by the
gateway and opens sockets of realtime, which are taken to be on one host: one is told where the other is, and that its pages may connect.
*/}}
{{- define "parley.settings" -}}
{{- $global := include "parley.global" . | fromYaml }}
{{- $app := include "parley.app" . | fromYaml }}
{{- $own := dict "PORT" "8080" "OPERATIONS_PORT" "9090" "DB_POOL_SIZE" (.Values.poolSize | toString) "HOME" "/tmp" "PARLEY_HOME" "/tmp/parley" }}
{{- if $app.workers }}{{ $_ := set $own "WEB_CONCURRENCY" (.Values.workers | toString) }}{{ end }}
{{- if and $app.objects $global.objectStore.existingClaim }}{{ $_ := set $own "OBJECT_STORE_URL" "file:///var/lib/parley/objects" }}{{ end }}
{{- if eq .Chart.Name "ops" }}{{ $_ := set $own "METRICS_TARGETS" (include "parley.metricsTargets" .) }}{{ end }}
{{- $origin := "" }}
{{- if has .Chart.Name (list "gateway" "realtime") }}{{ $origin = include "parley.publicOrigin" . }}{{ end }}
{{- if and $origin (eq .Chart.Name "gateway") }}{{ $_ := set $own "CONSOLE_REALTIME_URL" (printf "ws%s/v1/ws" (trimPrefix "http" $origin)) }}{{ end }}
{{- $heap := include "parley.heapMegabytes" . }}
{{- $_ := set $own "NODE_OPTIONS" (printf "--max-old-space-size=%s" $heap) }}
{{- $_ := set $own "UV_THREADPOOL_SIZE" (include "parley.uvThreads" .) }}
{{- range $name, $value := $global.config }}
{{- if include "parley.reads" (dict "app" $.Chart.Name "setting" $name) }}{{ $_ := set $own $name (include "parley.text" $value) }}{{ end }}
{{- end }}
{{- range $name, $value := .Values.config }}
{{- $_ := set $own $name (include "parley.text" $value) }}
{{- end }}
{{- if and $origin (eq .Chart.Name "realtime") (ne ($own.CORS_ORIGINS | default "") "*") }}
{{- $_ := set $own "CORS_ORIGINS" (compact (concat (splitList "," ($own.CORS_ORIGINS | default "")) (list $origin)) | uniq | join ",") }}
{{- end }}
{{- toYaml $own }}
{{- end }}

{{/* Settings that only some apps read, by how they begin: the others would ask for secrets that go with them. */}}
{{- define "parley.readers" -}}
EMBEDDING_: [gateway, embedding, ops]
LLM_: [gateway, scoring, ops]
MEMORY_API_: [scoring]
OBJECT_STORE_: [gateway, scoring, ops]
FCM_: [delivery]
ONESIGNAL_: [delivery]
{{- end }}

{{/* Not empty when `app` reads `setting`. */}}
{{- define "parley.reads" -}}
{{- $reads := true }}
{{- range $prefix, $apps := include "parley.readers" . | fromYaml }}
{{- if and (hasPrefix $prefix $.setting) (not (has $.app $apps)) }}{{ $reads = false }}{{ end }}
{{- end }}
{{- if $reads }}yes{{ end }}
{{- end }}

{{/* A value as an environment variable has it: whole numbers come from YAML as floats. */}}
{{- define "parley.text" -}}
{{- if kindIs "float64" . }}{{ if eq (floor .) . }}{{ printf "%.0f" . }}{{ else }}{{ . }}{{ end }}{{ else }}{{ . | toString }}{{ end }}
{{- end }}

{{/* What ops reads metrics from: every address behind the headless Service of each app. */}}
{{- define "parley.metricsTargets" -}}
{{- $targets := list }}
{{- range .Values.metricsOf }}
{{- $targets = append $targets (printf "dns+http://%s-%s-metrics:9090/metrics" $.Release.Name .) }}
{{- end }}
{{- join "," $targets }}
{{- end }}

{{/* Worker processes of one pod. */}}
{{- define "parley.workers" -}}
{{- if (include "parley.app" . | fromYaml).workers }}{{ .Values.workers }}{{ else }}1{{ end }}
{{- end }}

{{/* The memory limit in MiB. */}}
{{- define "parley.memoryMegabytes" -}}
{{- $memory := .Values.resources.memory | toString }}
{{- if hasSuffix "Gi" $memory }}{{ mulf (trimSuffix "Gi" $memory | float64) 1024 | int }}{{ else }}{{ trimSuffix "Mi" $memory | int }}{{ end }}
{{- end }}

{{/* 75 % of the memory limit, shared by the workers: the heap must end before the kernel ends the pod. */}}
{{- define "parley.heapMegabytes" -}}
{{- div (mul (include "parley.memoryMegabytes" . | int) 3) (mul 4 (include "parley.workers" . | int)) }}
{{- end }}

{{/* Threads of libuv, for files and DNS: the four of Node, and one for each core beyond. */}}
{{- define "parley.uvThreads" -}}
{{- $cpu := .Values.resources.cpuLimit | default .Values.resources.cpu | toString }}
{{- $millis := 0 }}
{{- if hasSuffix "m" $cpu }}{{ $millis = trimSuffix "m" $cpu | int }}{{ else }}{{ $millis = mulf (float64 $cpu) 1000 | int }}{{ end }}
{{- max 4 (div (add $millis 999) 1000) }}
{{- end }}

{{/* Longest drain of this app in whole seconds. */}}
{{- define "parley.drainSeconds" -}}
{{- $app := include "parley.app" . | fromYaml }}
{{- $ms := $app.drainMs | int }}
{{- with $app.drainSetting }}
{{- $ms = add $ms (get (include "parley.settings" $ | fromYaml) . | default $app.drainDefaultMs | int) }}
{{- end }}
{{- div (add $ms 999) 1000 }}
{{- end }}

{{/* Settings of this app's Secret that must be there, as YAML: {items: [...]}. */}}
{{- define "parley.requiredSecrets" -}}
{{- $global := include "parley.global" . | fromYaml }}
{{- $app := include "parley.app" . | fromYaml }}
{{- $settings := include "parley.settings" . | fromYaml }}
{{- $names := $app.required }}
{{- if $global.redis.enabled }}{{ $names = append $names "REDIS_URL" }}{{ end }}
{{- if and $app.callers (not $settings.AUTH_JWKS_URL) }}{{ $names = append $names "AUTH_JWT_SECRET" }}{{ end }}
{{- dict "items" $names | toYaml }}
{{- end }}

{{/* Pods that can run at once: the most that scaling makes, and those of a rollout. */}}
{{- define "parley.mostPods" -}}
{{- $most := .replicas }}
{{- if (.autoscaling | default dict).enabled }}{{ $most = .autoscaling.maxReplicas }}{{ end }}
{{- if (.keda | default dict).enabled }}{{ $most = .keda.maxReplicas }}{{ end }}
{{- add ($most | int) (.surge | int) }}
{{- end }}
