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
  description = "The bucket with the Terraform state, PROJECT-NAME-state, to import it into this configuration. Null after the import."
  default     = null
}

import {
  for_each = var.state_bucket == null ? {} : { state = var.state_bucket }
  to       = module.foundation.module.storage.google_storage_bucket.this[each.key]
  id       = each.value
}

output "penstock_toml" {
  description = "The content of penstock.toml, which `penstock submit` reads: terraform output -raw penstock_toml > penstock.toml."
  value       = module.settings.penstock_toml
}

output "platform_settings" {
  description = "The platform settings for `penstock submit --platform`: terraform output -raw platform_settings > platform.yaml. Empty if there is no cluster."
  value       = module.settings.platform_settings
}

output "repository_url" {
  description = "The registry of the images."
  value       = module.foundation.repository_url
}

output "bucket_urls" {
  description = "The URLs of the buckets (gs://...), by content."
  value       = module.foundation.bucket_urls
}

output "service_accounts" {
  description = "The emails of the service accounts, by purpose."
  value       = module.foundation.emails
}

output "github_provider" {
  description = "The workload_identity_provider for google-github-actions/auth. Null if there is no repository."
  value       = module.foundation.github_provider
}
