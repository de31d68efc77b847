output "cluster_name" {
  description = "The name of the cluster."
  value       = google_container_cluster.this.name
}

output "location" {
  description = "The region of the cluster."
  value       = google_container_cluster.this.location
}

output "endpoint" {
  description = "The address of the control plane, for the kubernetes and helm providers. It is available after the nodes have been created."
  value       = google_container_cluster.this.endpoint
  sensitive   = true
  depends_on  = [google_container_node_pool.this]
}

output "ca_certificate" {
  description = "The certificate authority of the control plane, base64-encoded."
  value       = try(google_container_cluster.this.master_auth[0].cluster_ca_certificate, "")
  sensitive   = true
}

output "workload_pool" {
  description = "The Workload Identity pool, for the module iam. It exists after the cluster has been created."
  value       = "${var.project_id}.svc.id.goog"
  depends_on  = [google_container_cluster.this]
}

output "gpu_tolerations" {
  description = "The tolerations that a pod needs in each GPU pool, in the form of the platform settings."
  value = {
    for name, pool in var.gpu_pools : name => concat(
      [{ key = local.gpu_key, operator = "Exists", effect = "NoSchedule" }],
      pool.spot ? [{ key = local.spot_key, operator = "Equal", value = "true", effect = "NoSchedule" }] : [],
    )
  }
}

output "gpu_node_selectors" {
  description = "The node selector of each GPU pool, in the form of the platform settings."
  value       = { for name, pool in var.gpu_pools : name => { "cloud.google.com/gke-accelerator" = pool.accelerator_type } }
}
