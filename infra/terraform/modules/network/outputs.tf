output "network_id" {
  description = "The VPC."
  value       = google_compute_network.this.id
}

output "network_name" {
  description = "The VPC's name."
  value       = google_compute_network.this.name
}

output "subnetwork_id" {
  description = "The nodes' subnetwork."
  value       = google_compute_subnetwork.nodes.id
}

output "pods_range_name" {
  description = "The subnetwork's secondary range for pods."
  value       = "pods"
}

output "services_range_name" {
  description = "The subnetwork's secondary range for services."
  value       = "services"
}

output "control_plane_cidr" {
  description = "The addresses that the firewall expects the control plane at."
  value       = var.control_plane_cidr
}

output "private_services_connection" {
  description = "The peering through which Cloud SQL has a private address; whoever makes an instance depends on it."
  value       = google_service_networking_connection.services.id
}
