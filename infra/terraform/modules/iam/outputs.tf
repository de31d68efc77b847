# Who is granted something is a key of a for_each elsewhere, and must be known before the accounts are made.
locals {
  emails = { for name in keys(var.accounts) : name => "${var.name}-${name}@${var.project_id}.iam.gserviceaccount.com" }
}

output "emails" {
  description = "The emails of the service accounts, by purpose."
  value       = local.emails
  depends_on  = [google_service_account.this]
}

output "members" {
  description = "The service accounts as IAM members, by purpose."
  value       = { for name, email in local.emails : name => "serviceAccount:${email}" }
  depends_on  = [google_service_account.this]
}

output "kubernetes_service_accounts" {
  description = "The email of the Google service account that each Kubernetes service account (NAMESPACE/NAME) impersonates, for its annotation iam.gke.io/gcp-service-account."
  value       = { for subject, name in local.kubernetes : subject => local.emails[name] }
  depends_on  = [google_service_account.this]
}

output "github_provider" {
  description = "The workload_identity_provider for google-github-actions/auth in the workflows of the repository. Null if there is no repository."
  value       = one([for provider in google_iam_workload_identity_pool_provider.github : provider.name])
}
