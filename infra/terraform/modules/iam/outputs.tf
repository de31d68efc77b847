output "emails" {
  description = "The service accounts' addresses, by what they are for."
  value       = { for name, account in google_service_account.this : name => account.email }
}

output "members" {
  description = "The service accounts as IAM members, by what they are for."
  value       = { for name, account in google_service_account.this : name => account.member }
}

output "kubernetes_service_accounts" {
  description = "The Google service account's address by the Kubernetes one (NAMESPACE/NAME) that is it: what goes into its annotation iam.gke.io/gcp-service-account."
  value       = { for subject, name in local.kubernetes : subject => google_service_account.this[name].email }
}

output "github_provider" {
  description = "What a workflow of the repository gives to google-github-actions/auth as workload_identity_provider. Null where there is no repository."
  value       = one([for provider in google_iam_workload_identity_pool_provider.github : provider.name])
}
