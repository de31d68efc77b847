provider "google" {
  project               = var.project_id
  region                = var.region
  user_project_override = true # budgets are asked for in the project's name
  billing_project       = var.project_id
}

provider "google-beta" {
  project               = var.project_id
  region                = var.region
  user_project_override = true
  billing_project       = var.project_id
}

# The bucket of Terraform's state was there before Terraform was: it is taken over, and kept like the others.
variable "state_bucket" {
  type        = string
  description = "The bucket that Terraform's state is in, PROJECT-NAME-state, until it has been taken over. Null: it has."
  default     = null
}

import {
  for_each = var.state_bucket == null ? {} : { state = var.state_bucket }
  to       = module.foundation.module.storage.google_storage_bucket.this[each.key]
  id       = each.value
}

output "penstock_toml" {
  description = "terraform output -raw penstock_toml > penstock.toml: what `penstock submit` reads."
  value       = module.settings.penstock_toml
}

output "platform_settings" {
  description = "terraform output -raw platform_settings > platform.yaml: what only Kubernetes knows of a run, for `penstock submit --platform`. Empty where there is no Kubernetes."
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
