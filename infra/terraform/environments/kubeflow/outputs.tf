output "penstock_toml" {
  description = "terraform output -raw penstock_toml > penstock.toml: what `penstock submit` reads."
  value       = module.settings.penstock_toml
}

output "platform_settings" {
  description = "terraform output -raw platform_settings > platform.yaml: what only Kubernetes knows of a run, for `penstock submit --platform`."
  value       = module.settings.platform_settings
}

output "repository_url" {
  description = "Where images are pushed to and pulled from."
  value       = module.foundation.repository_url
}

output "bucket_urls" {
  description = "The buckets' URLs (gs://...), by what they hold."
  value       = module.foundation.bucket_urls
}

output "service_accounts" {
  description = "The service accounts' addresses, by what they are for."
  value       = module.foundation.emails
}

output "github_provider" {
  description = "What a workflow gives to google-github-actions/auth as workload_identity_provider. Null where there is no repository."
  value       = module.foundation.github_provider
}

output "credentials_command" {
  description = "The command after which kubectl talks to the cluster."
  value       = "gcloud container clusters get-credentials ${module.gke.cluster_name} --project ${var.project_id} --location ${module.gke.location}"
}

output "ready_command" {
  description = "The command that waits until Kubeflow Pipelines is there: Terraform does not."
  value       = module.services.ready_command
}

output "mlflow_admin_secret" {
  description = "The secret (NAMESPACE/NAME) with the password of MLflow's user admin."
  value       = module.services.mlflow_admin_secret
}
