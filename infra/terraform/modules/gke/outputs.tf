output "cluster_name" {
  description = "The cluster's name."
  value       = google_container_cluster.this.name
}

output "location" {
  description = "The cluster's region."
  value       = google_container_cluster.this.location
}

output "endpoint" {
  description = "The control plane's address, for the kubernetes and helm providers. It is there once there are nodes."
  value       = google_container_cluster.this.endpoint
  sensitive   = true
  depends_on  = [google_container_node_pool.this]
}

output "ca_certificate" {
  description = "The control plane's certificate authority, base64."
  value       = try(google_container_cluster.this.master_auth[0].cluster_ca_certificate, "")
  sensitive   = true
}

output "workload_pool" {
  description = "The Workload Identity pool, for the module iam. It is there once the project has a cluster."
  value       = "${var.project_id}.svc.id.goog"
  depends_on  = [google_container_cluster.this]
}

output "gpu_tolerations" {
  description = "What a pod must tolerate to run in each GPU pool, as the platform document has it."
  value = {
    for name, pool in var.gpu_pools : name => concat(
      [{ key = local.gpu_key, operator = "Exists", effect = "NoSchedule" }],
      pool.spot ? [{ key = local.spot_key, operator = "Equal", value = "true", effect = "NoSchedule" }] : [],
    )
  }
}

output "gpu_node_selectors" {
  description = "The node selector of each GPU pool, as the platform document has it."
  value       = { for name, pool in var.gpu_pools : name => { "cloud.google.com/gke-accelerator" = pool.accelerator_type } }
}
