{{/* Connections of one app at its worst: (maxReplicas + surge) x workers x pool. */}}
{{- define "parley.connections" -}}
{{- mul (include "parley.mostPods" . | int) (.workers | default 1 | int) (.poolSize | int) }}
{{- end }}

{{/* What the pools of Parley may hold: 80 % of max_connections - 10, less what others hold. */}}
{{- define "parley.connectionLimit" -}}
{{- sub (div (mul 8 (sub (.maxConnections | int) 10)) 10) (.otherConnections | int) }}
{{- end }}

{{/*
Fails when the pools of these apps could hold more connections than Postgres gives (R057).
@param apps name -> values; @param global
*/}}
{{- define "parley.requireBudget" -}}
{{- $needed := 0 }}
{{- $terms := list }}
{{- range $name, $values := .apps }}
{{- $connections := include "parley.connections" $values | int }}
{{- $needed = add $needed $connections }}
{{- $terms = append $terms (printf "%s (%d + %d) x %d x %d = %d" $name (sub (include "parley.mostPods" $values | int) ($values.surge | int)) ($values.surge | int) ($values.workers | default 1 | int) ($values.poolSize | int) $connections) }}
{{- end }}
{{- $postgres := .global.postgres }}
{{- $limit := include "parley.connectionLimit" $postgres | int }}
{{- if gt $needed $limit }}
{{- fail (printf "connection budget: %d connections needed, %d available. (maxReplicas + surge) x workers x poolSize: %s; available: 80 %% of (max_connections %d - 10) - %d of others. Lower poolSize, workers or maxReplicas, raise global.postgres.maxConnections (and that of the server) to %d, or put a pooler with session pooling in between." $needed $limit (join ", " $terms) ($postgres.maxConnections | int) ($postgres.otherConnections | int) (add (div (add (mul 10 (add $needed ($postgres.otherConnections | int))) 7) 8) 10)) }}
{{- end }}
{{- end }}

{{/* Kinds that not every cluster serves. `helm template` knows only what --api-versions names. */}}
{{- define "parley.requireApi" -}}
{{- if not (.root.Capabilities.APIVersions.Has .api) }}
{{- fail (printf "%s is switched on, but the cluster does not serve %s: install %s first (helm template: --api-versions %s)" .what .api .from .api) }}
{{- end }}
{{- end }}

{{/* Values that contradict each other stop the rendering, each with what to change. */}}
{{- define "parley.validate" -}}
{{- $global := include "parley.global" . | fromYaml }}
{{- $app := include "parley.app" . | fromYaml }}
{{- $settings := include "parley.settings" . | fromYaml }}
{{- $name := .Chart.Name }}
{{- $pods := sub (include "parley.mostPods" .Values | int) (.Values.surge | int) | int }}
{{- $workers := include "parley.workers" . | int }}
{{- $memory := include "parley.memoryMegabytes" . | int }}

{{- if and (not $global.image.digest) (eq ($global.image.tag | default .Chart.AppVersion) "latest") }}
{{- fail "global.image.tag: `latest` names another image tomorrow; give a version or a digest" }}
{{- end }}
{{- include "parley.requireBudget" (dict "apps" (dict $name .Values) "global" $global) }}
{{- if lt $memory (mul 256 $workers | int) }}
{{- fail (printf "%s: %d workers need 256Mi each, resources.memory is %s: raise it to %dMi or lower workers" $name $workers .Values.resources.memory (mul 256 $workers)) }}
{{- end }}
{{- if and (not $global.redis.enabled) $app.callers (or (gt $pods 1) (gt $workers 1)) }}
{{- fail (printf "%s: %d pods x %d workers without Redis count limits apart and do not hear one another: switch global.redis.enabled on, or run one of one" $name $pods $workers) }}
{{- end }}
{{- $hpa := .Values.autoscaling | default dict }}
{{- $keda := .Values.keda | default dict }}
{{- if and $hpa.enabled (lt ($hpa.maxReplicas | int) ($hpa.minReplicas | int)) }}
{{- fail (printf "%s: autoscaling.maxReplicas %d is below minReplicas %d" $name ($hpa.maxReplicas | int) ($hpa.minReplicas | int)) }}
{{- end }}
{{- if $keda.enabled }}
{{- if lt ($keda.maxReplicas | int) ($keda.minReplicas | int) }}
{{- fail (printf "%s: keda.maxReplicas %d is below minReplicas %d" $name ($keda.maxReplicas | int) ($keda.minReplicas | int)) }}
{{- end }}
{{- if gt ($keda.fallbackReplicas | int) ($keda.maxReplicas | int) }}
{{- fail (printf "%s: keda.fallbackReplicas %d is above maxReplicas %d, and so outside of the connection budget" $name ($keda.fallbackReplicas | int) ($keda.maxReplicas | int)) }}
{{- end }}
{{- include "parley.requireApi" (dict "root" . "api" "keda.sh/v1alpha1" "what" (printf "%s: keda.enabled" $name) "from" "KEDA") }}
{{- end }}
{{- if $global.monitoring.serviceMonitor.enabled }}
{{- include "parley.requireApi" (dict "root" . "api" "monitoring.coreos.com/v1" "what" "global.monitoring.serviceMonitor.enabled" "from" "the Prometheus operator") }}
{{- end }}
{{- with .Values.ingress }}
{{- if and .enabled (not .host) }}{{ fail (printf "%s: ingress.host is empty: the Ingress would take the requests of every host" $name) }}{{ end }}
{{- end }}
{{- with .Values.httpRoute }}
{{- if .enabled }}
{{- if not .parentRefs }}{{ fail (printf "%s: httpRoute.parentRefs is empty: no Gateway would serve it" $name) }}{{ end }}
{{- if not .hostnames }}{{ fail (printf "%s: httpRoute.hostnames is empty: the route would take the requests of every host" $name) }}{{ end }}
{{- include "parley.requireApi" (dict "root" $ "api" "gateway.networking.k8s.io/v1" "what" (printf "%s: httpRoute.enabled" $name) "from" "the Gateway API") }}
{{- end }}
{{- end }}
{{- if and $settings.EMBEDDING_CACHE_SIZE (eq $name "embedding") (gt (mul 2 ($settings.EMBEDDING_CACHE_SIZE | int) | int) (mul 512 $memory | int)) }}
{{- fail (printf "embedding: EMBEDDING_CACHE_SIZE %s takes about 2 KB each, more than half of resources.memory %s" $settings.EMBEDDING_CACHE_SIZE .Values.resources.memory) }}
{{- end }}
{{- range list "EMBEDDING_PROVIDER" "EMBEDDING_MODEL" "EMBEDDING_DIMENSION" "CHROMA_URL" }}
{{- if hasKey $.Values.config . }}
{{- fail (printf "%s: config.%s: apps that differ in it look for vectors where the others put none: set it in global.config" $name .) }}
{{- end }}
{{- end }}
{{- $chroma := $settings.CHROMA_URL }}
{{- if not $chroma }}
{{- fail (printf "%s: global.config.CHROMA_URL is not set, such as http://chroma:8000" $name) }}
{{- end }}
{{- if and $app.objects $global.objectStore.existingClaim $global.config.OBJECT_STORE_URL }}
{{- fail "global.objectStore.existingClaim and global.config.OBJECT_STORE_URL both say where objects live: keep one" }}
{{- end }}
{{- if and $app.objects (not $global.objectStore.existingClaim) (hasPrefix "file:" ($settings.OBJECT_STORE_URL | default "")) }}
{{- fail "OBJECT_STORE_URL is a folder that every pod would have for itself: name a ReadWriteMany claim in global.objectStore.existingClaim, or use s3:" }}
{{- end }}
{{- if $global.networkPolicy.enabled }}
{{- $asks := list }}
{{- if and $app.callers $settings.AUTH_JWKS_URL }}{{ $asks = append $asks "AUTH_JWKS_URL" }}{{ end }}
{{- if and $app.objects (hasPrefix "s3:" ($settings.OBJECT_STORE_URL | default "")) }}{{ $asks = append $asks "OBJECT_STORE_URL" }}{{ end }}
{{- if and (eq $name "scoring") (eq ($settings.LLM_PROVIDER | default "local") "openai") }}{{ $asks = append $asks "LLM_PROVIDER" }}{{ end }}
{{- if and (include "parley.reads" (dict "app" $name "setting" "EMBEDDING_PROVIDER")) (has ($settings.EMBEDDING_PROVIDER | default "local") (list "openai" "ollama")) }}{{ $asks = append $asks "EMBEDDING_PROVIDER" }}{{ end }}
{{- if and $asks (not .Values.networkPolicy.httpsTo) (not .Values.networkPolicy.extraEgress) }}
{{- fail (printf "%s: %s needs a way out, and the NetworkPolicy has none: name addresses in networkPolicy.httpsTo (port 443) or networkPolicy.extraEgress" $name (join ", " $asks)) }}
{{- end }}
{{- end }}
{{- include "parley.requireSecret" (dict "root" . "name" (include "parley.secretName" .) "keys" (include "parley.requiredSecrets" . | fromYaml).items) }}
{{- end }}

{{/* A Secret that must be there before anything is installed. Only a cluster can be asked,
and every namespace of one has the account `default`. */}}
{{- define "parley.requireSecret" -}}
{{- $namespace := .root.Release.Namespace }}
{{- if and (include "parley.global" .root | fromYaml).checkSecrets (lookup "v1" "ServiceAccount" $namespace "default") }}
{{- $secret := lookup "v1" "Secret" $namespace .name }}
{{- if not $secret }}
{{- fail (printf "Secret %s is missing in namespace %s; it needs the keys %s (docs/operate/kubernetes.md)" .name $namespace (join ", " .keys)) }}
{{- end }}
{{- range .keys }}
{{- if not (get ($secret.data | default dict) .) }}
{{- fail (printf "Secret %s in namespace %s has no key %s (docs/operate/kubernetes.md)" $.name $namespace .) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
