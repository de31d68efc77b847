# Who is granted something is a key of a for_each elsewhere, and must be known before the accounts are made.
locals {
  emails = { for name in keys(var.accounts) : name => "${var.name}-${name}@${var.project_id}.iam.gserviceaccount.com" }
}

output "emails" {
  description = "The service accounts' addresses, by what they are for."
  value       = local.emails
  depends_on  = [google_service_account.this]
}

output "members" {
  description = "The service accounts as IAM members, by what they are for."
  value       = { for name, email in local.emails : name => "serviceAccount:${email}" }
  depends_on  = [google_service_account.this]
}

output "kubernetes_service_accounts" {
  description = "The Google service account's address by the Kubernetes one (NAMESPACE/NAME) that is it: what goes into its annotation iam.gke.io/gcp-service-account."
  value       = { for subject, name in local.kubernetes : subject => local.emails[name] }
  depends_on  = [google_service_account.this]
}

output "github_provider" {
  description = "What a workflow of the repository gives to google-github-actions/auth as workload_identity_provider. Null where there is no repository."
  value       = one([for provider in google_iam_workload_identity_pool_provider.github : provider.name])
}
