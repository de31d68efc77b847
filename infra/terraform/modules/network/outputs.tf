output "network_id" {
  description = "The VPC."
  value       = google_compute_network.this.id
}

output "network_name" {
  description = "The name of the VPC."
  value       = google_compute_network.this.name
}

output "subnetwork_id" {
  description = "The subnetwork of the nodes."
  value       = google_compute_subnetwork.nodes.id
}

output "pods_range_name" {
  description = "The secondary range of the subnetwork for pods."
  value       = "pods"
}

output "services_range_name" {
  description = "The secondary range of the subnetwork for services."
  value       = "services"
}

output "control_plane_cidr" {
  description = "The IP range of the control plane in the firewall."
  value       = var.control_plane_cidr
}

output "private_services_connection" {
  description = "The peering through which Cloud SQL gets a private address. A module that creates an instance must depend on it."
  value       = google_service_networking_connection.services.id
}
