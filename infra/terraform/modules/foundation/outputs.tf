output "project_number" {
  description = "The number of the project."
  value       = local.number
}

output "key_ids" {
  description = "The KMS keys, by purpose."
  value       = module.kms.key_ids
}

output "network_id" {
  description = "The VPC."
  value       = module.network.network_id
}

output "peered_network" {
  description = "The VPC in the form that Vertex AI expects, with the number of the project."
  value       = "projects/${local.number}/global/networks/${module.network.network_name}"
  depends_on  = [module.network]
}

output "subnetwork_id" {
  description = "The subnetwork of the nodes."
  value       = module.network.subnetwork_id
}

output "ranges" {
  description = "The names of the secondary ranges of the subnetwork (pods, services), and the IP range of the control plane."
  value       = { pods = module.network.pods_range_name, services = module.network.services_range_name, control_plane = module.network.control_plane_cidr }
}

output "private_services_connection" {
  description = "The peering through which Cloud SQL gets a private address."
  value       = module.network.private_services_connection
}

output "bucket_urls" {
  description = "The URLs of the buckets (gs://...), by content."
  value       = module.storage.bucket_urls
}

output "repository_url" {
  description = "The registry of the images."
  value       = module.artifact_registry.repository_url
}

output "emails" {
  description = "The emails of the service accounts, by purpose."
  value       = module.iam.emails
}

output "kubernetes_service_accounts" {
  description = "The email of the Google service account that each Kubernetes service account (NAMESPACE/NAME) impersonates."
  value       = module.iam.kubernetes_service_accounts
}

output "github_provider" {
  description = "The workload_identity_provider for google-github-actions/auth. Null if there is no repository."
  value       = module.iam.github_provider
}
