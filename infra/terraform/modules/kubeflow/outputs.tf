output "namespace" {
  description = "The namespace of Kubeflow Pipelines, its runs and its tasks."
  value       = kubernetes_namespace_v1.this.metadata[0].name
}

output "host" {
  description = "The URL of the user interface and the API in the cluster. From outside: kubectl -n kubeflow port-forward service/ml-pipeline-ui 8080:80."
  value       = "http://ml-pipeline-ui.${kubernetes_namespace_v1.this.metadata[0].name}.svc.cluster.local"
}

output "pipeline_root" {
  description = "Where pipelines write their artifacts unless they say otherwise."
  value       = local.root
}

output "service_accounts" {
  description = "The tasks' service accounts (NAMESPACE/NAME): what a run is, what a platform document may name."
  value       = { for name in ["pipeline-runner", "penstock-trainer", "penstock-pusher"] : name => "${kubernetes_namespace_v1.this.metadata[0].name}/${name}" }
}

output "ready_command" {
  description = "The command that waits until Flux has applied everything: Terraform does not."
  value       = "kubectl -n flux-system wait kustomization ${join(" ", keys(local.stages))} --for=condition=Ready --timeout=20m"
}
