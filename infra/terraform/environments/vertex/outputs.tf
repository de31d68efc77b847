output "penstock_toml" {
  description = "terraform output -raw penstock_toml > penstock.toml: what `penstock submit` reads."
  value       = module.settings.penstock_toml
}

output "platform_settings" {
  description = "terraform output -raw platform_settings > platform.yaml: what only Kubernetes knows of a run, for `penstock submit --platform`. Empty: there is no Kubernetes."
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

output "destinations" {
  description = "What push_model takes as its destination, by the endpoint's display name."
  value       = module.vertex.destinations
}

output "tensorboard_id" {
  description = "The TensorBoard instance."
  value       = module.vertex.tensorboard_id
}
