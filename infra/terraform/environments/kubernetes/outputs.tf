output "penstock_toml" {
  description = "The content of penstock.toml, which `penstock submit` reads: terraform output -raw penstock_toml > penstock.toml."
  value       = module.settings.penstock_toml
}

output "platform_settings" {
  description = "The platform settings for `penstock submit --platform`: terraform output -raw platform_settings > platform.yaml."
  value       = module.settings.platform_settings
}

output "ready_command" {
  description = "The command that waits until Kubeflow Pipelines is ready; Terraform does not wait for it."
  value       = module.services.ready_command
}

output "mlflow_admin_secret" {
  description = "The secret (NAMESPACE/NAME) with the password of the MLflow user admin."
  value       = module.services.mlflow_admin_secret
}

output "workers_at" {
  description = "The parameter workers_at of train_model. Null without training."
  value       = module.services.workers_at
}
