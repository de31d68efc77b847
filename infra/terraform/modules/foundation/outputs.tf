output "project_number" {
  description = "The project's number."
  value       = local.number
}

output "key_ids" {
  description = "The KMS keys, by what they are for."
  value       = module.kms.key_ids
}

output "network_id" {
  description = "The VPC."
  value       = module.network.network_id
}

output "peered_network" {
  description = "The VPC as Vertex AI names it, with the project's number."
  value       = "projects/${local.number}/global/networks/${module.network.network_name}"
  depends_on  = [module.network]
}

output "subnetwork_id" {
  description = "The nodes' subnetwork."
  value       = module.network.subnetwork_id
}

output "ranges" {
  description = "The names of the subnetwork's secondary ranges (pods, services), and the control plane's addresses."
  value       = { pods = module.network.pods_range_name, services = module.network.services_range_name, control_plane = module.network.control_plane_cidr }
}

output "private_services_connection" {
  description = "The peering through which Cloud SQL has a private address."
  value       = module.network.private_services_connection
}

output "bucket_urls" {
  description = "The buckets' URLs (gs://...), by what they hold."
  value       = module.storage.bucket_urls
}

output "repository_url" {
  description = "Where images are pushed to and pulled from."
  value       = module.artifact_registry.repository_url
}

output "emails" {
  description = "The service accounts' addresses, by what they are for."
  value       = module.iam.emails
}

output "kubernetes_service_accounts" {
  description = "The Google service account's address by the Kubernetes one (NAMESPACE/NAME) that is it."
  value       = module.iam.kubernetes_service_accounts
}

output "github_provider" {
  description = "What a workflow gives to google-github-actions/auth as workload_identity_provider. Null where there is no repository."
  value       = module.iam.github_provider
}
