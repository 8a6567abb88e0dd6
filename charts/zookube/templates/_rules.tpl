{{/*
What the operator may do where its clusters are. This is the only place where it is written: the ClusterRole, the Roles of
watchNamespaces and deploy/zookube.yaml are all made from it. No wildcard, no nodes, no pods/exec, no secrets beyond those by name.
*/}}
{{- define "zookube.rules" -}}
# The resource: found and watched. What is in it is its owner's.
- apiGroups: [zookube.dev]
  resources: [zookeeperclusters]
  verbs: [get, list, watch]
# What is said of it, by server-side apply.
- apiGroups: [zookube.dev]
  resources: [zookeeperclusters/status]
  verbs: [patch]
# To own objects that block its deletion, where the API server asks for that right.
- apiGroups: [zookube.dev]
  resources: [zookeeperclusters/finalizers]
  verbs: [update]
# Who is there and ready; a pod is deleted, with its uid, to be replaced where there is no disruption budget.
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, delete]
# Where there is one, pods are evicted, so that a drain at the same time is respected.
- apiGroups: [""]
  resources: [pods/eviction]
  verbs: [create]
# The servers' names and the clients' service; the servers' configuration and the record of the ensemble.
- apiGroups: [""]
  resources: [services, configmaps]
  verbs: [get, list, watch, create, patch]
# Volumes are made by StatefulSets. The operator makes them larger, and deletes them where the cluster says so.
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [list, watch, patch, delete]
# The superuser's password, one Secret for each cluster, read by its name. Nothing lists or watches Secrets.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, create]
# The account of the servers' pods, which may nothing.
- apiGroups: [""]
  resources: [serviceaccounts]
  verbs: [get, create, patch]
# The pods of voters, and those of observers.
- apiGroups: [apps]
  resources: [statefulsets]
  verbs: [get, list, watch, create, patch, delete]
# How many voters a drain may take away at the same time.
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
# Who reaches the servers, where a cluster asks for that.
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, create, patch, delete]
{{- if .Values.features.monitoring }}
# How Prometheus finds the servers and what it alerts on, where a cluster asks for that. Nothing lists or watches them.
- apiGroups: [monitoring.coreos.com]
  resources: [podmonitors, servicemonitors, prometheusrules]
  verbs: [get, create, patch, delete]
{{- end }}
# What has been done, beside the cluster.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}
