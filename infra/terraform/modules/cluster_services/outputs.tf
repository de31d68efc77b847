output "context" {
  description = "The context of penstock.toml, for the module settings."
  value = {
    settings = {
      target          = "kubeflow"
      host            = module.kubeflow.host
      namespace       = module.kubeflow.namespace
      pipeline_root   = module.kubeflow.pipeline_root
      experiment      = var.experiment
      service_account = split("/", module.kubeflow.service_accounts["pipeline-runner"])[1]
    }
    parameters = merge({
      destination  = "${replace(module.kserve.destination, "/NAME?", "/${var.model}?")}&storage=${coalesce(var.models_url, "${var.artifacts_url}/models")}"
      tracking_uri = module.mlflow.tracking_uri
      registry_uri = module.mlflow.tracking_uri
    }, { for gateway in values(module.pushgateway) : "pushgateway" => gateway.url })
  }
}

output "platform" {
  description = "The platform settings, for the module settings, without the accelerators of the cluster."
  value = {
    namespace           = module.kubeflow.namespace
    service_accounts    = merge(module.kubeflow.service_accounts, { penstock-serving = module.kserve.service_account })
    environment_secrets = { for secret in values(module.mlflow.client_secrets) : secret => ["MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"] }
  }
}

output "service_accounts" {
  description = "The service accounts (NAMESPACE/NAME) that have an identity outside the cluster."
  value       = concat(values(module.kubeflow.service_accounts), [module.kserve.service_account, module.mlflow.service_account])
}

output "ready_command" {
  description = "The command that waits until Kubeflow Pipelines is ready; Terraform does not wait for it."
  value       = module.kubeflow.ready_command
}

output "mlflow_admin_secret" {
  description = "The secret (NAMESPACE/NAME) with the password of the MLflow user admin."
  value       = module.mlflow.admin_secret
}

output "workers_at" {
  description = "The parameter workers_at of train_model. Null without training."
  value       = module.kubeflow.workers_at
}
