{{/* The name of everything: the release's, with what it is behind it. */}}
{{- define "zookube.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 53 | trimSuffix "-" -}}
{{- else if hasSuffix "operator" .Release.Name -}}
{{- .Release.Name | trunc 53 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-operator" .Release.Name | trunc 53 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* By which the pods are found. Never changed: a Deployment's selector cannot be. */}}
{{- define "zookube.selectorLabels" -}}
app.kubernetes.io/name: zookube-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "zookube.labels" -}}
{{ include "zookube.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "zookube.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "zookube.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "zookube.image" -}}
{{- with .Values.image -}}
{{- with .registry }}{{ . }}/{{ end -}}
{{- .repository -}}
{{- if .digest -}}
@{{ .digest }}
{{- else -}}
:{{ default $.Chart.AppVersion .tag }}
{{- end -}}
{{- end -}}
{{- end -}}
