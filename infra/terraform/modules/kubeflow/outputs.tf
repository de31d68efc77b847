output "namespace" {
  description = "The namespace of Kubeflow Pipelines, and of its runs and tasks."
  value       = kubernetes_namespace_v1.this.metadata[0].name
}

output "host" {
  description = "The URL of the user interface and the API inside the cluster. From outside, run: kubectl -n kubeflow port-forward service/ml-pipeline-ui 8080:80."
  value       = "http://ml-pipeline-ui.${kubernetes_namespace_v1.this.metadata[0].name}.svc.cluster.local"
}

output "pipeline_root" {
  description = "The default pipeline root."
  value       = local.root
}

output "service_accounts" {
  description = "The service accounts of runs and tasks (NAMESPACE/NAME), for the platform settings."
  value       = { for name in ["pipeline-runner", "penstock-trainer", "penstock-pusher"] : name => "${kubernetes_namespace_v1.this.metadata[0].name}/${name}" }
}

output "ready_command" {
  description = "The command that waits until Flux has applied everything; Terraform does not wait for it."
  value       = "kubectl -n flux-system wait kustomization ${join(" ", keys(local.stages))} --for=condition=Ready --timeout=20m"
}

output "workers_at" {
  description = "The parameter workers_at of train_model. Null without training."
  value       = one([for name, release in helm_release.training_runtime : "kubeflow://${release.namespace}?runtime=${name}"])
}
