output "penstock_toml" {
  description = "terraform output -raw penstock_toml > penstock.toml: what `penstock submit` reads."
  value       = module.settings.penstock_toml
}

output "platform_settings" {
  description = "terraform output -raw platform_settings > platform.yaml: what only Kubernetes knows of a run, for `penstock submit --platform`."
  value       = module.settings.platform_settings
}

output "ready_command" {
  description = "The command that waits until Kubeflow Pipelines is there: Terraform does not."
  value       = module.services.ready_command
}

output "mlflow_admin_secret" {
  description = "The secret (NAMESPACE/NAME) with the password of MLflow's user admin."
  value       = module.services.mlflow_admin_secret
}
