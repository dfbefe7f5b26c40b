{{- define "podhatch.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "podhatch.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "podhatch.name" .) .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "podhatch.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "podhatch.selectorLabels" -}}
app.kubernetes.io/name: {{ include "podhatch.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "podhatch.operatorLabels" -}}
{{ include "podhatch.selectorLabels" . }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "podhatch.labels" -}}
{{- with .Values.commonLabels }}
{{- toYaml . }}
{{ end -}}
{{ include "podhatch.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "podhatch.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "podhatch.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "podhatch.operatorPriority" -}}
{{- if .Values.operator.priorityClassName }}
{{- .Values.operator.priorityClassName }}
{{- else if .Values.priorityClasses.create }}podhatch-operator
{{- end }}
{{- end }}

{{- /* An image from its values: (list $ .Values.runner.image) */}}
{{- define "podhatch.image" -}}
{{- $root := index . 0 }}
{{- $image := index . 1 }}
{{- if $image.digest }}
{{- printf "%s@%s" $image.repository $image.digest }}
{{- else }}
{{- printf "%s:%s" $image.repository (default $root.Chart.AppVersion $image.tag) }}
{{- end }}
{{- end }}

{{- /* A number of seconds as the value of a variable; empty if the value is empty. */}}
{{- define "podhatch.seconds" -}}
{{- if or (kindIs "invalid" .) (kindIs "string" .) }}{{ "" | quote }}{{ else }}{{ int64 . | quote }}{{ end }}
{{- end }}

{{- define "podhatch.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "podhatch.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- /* The namespace of helm test's workflow: one that the operator serves. */}}
{{- define "podhatch.testNamespace" -}}
{{- if or (empty .Values.watchNamespaces) (has .Release.Namespace .Values.watchNamespaces) }}
{{- .Release.Namespace }}
{{- else }}
{{- first .Values.watchNamespaces }}
{{- end }}
{{- end }}

{{- /* The users who are exempt from the policies on what tasks write, as an expression. */}}
{{- define "podhatch.isTrusted" -}}
{{- $operator := printf "system:serviceaccount:%s:%s" .Release.Namespace (include "podhatch.serviceAccountName" .) -}}
request.userInfo.username in ['{{ prepend .Values.trustedIdentities $operator | join "', '" }}']
{{- end }}

{{- /* Variables of the policies on what tasks write: the owner of the token. */}}
{{- define "podhatch.whoVariables" -}}
- name: pod
  expression: >-
    request.userInfo.?extra[?'authentication.kubernetes.io/pod-name'][?0].orValue('')
- name: isTask
  expression: >-
    request.userInfo.username.matches('^system:serviceaccount:[^:]+:podhatch-(report|spawn)$')
- name: isOfNamespace
  expression: >-
    request.userInfo.username.startsWith('system:serviceaccount:' + request.namespace + ':')
{{- end }}
