output "endpoint_ids" {
  description = "The endpoints' numbers, by display name: the last part of vertex://PROJECT/LOCATION/ENDPOINT."
  value       = { for name, endpoint in google_vertex_ai_endpoint.this : name => endpoint.name }
}

output "destinations" {
  description = "What push_model takes as its destination, by the endpoint's display name."
  value       = { for name, endpoint in google_vertex_ai_endpoint.this : name => "vertex://${var.project_id}/${var.region}/${endpoint.name}?storage=${var.models_url}" }
}

output "registry_uri" {
  description = "The Vertex Model Registry, as register_model takes it."
  value       = "vertex://${var.project_id}/${var.region}"
}

output "tensorboard_id" {
  description = "The TensorBoard instance. Null: none."
  value       = one([for tensorboard in google_vertex_ai_tensorboard.this : tensorboard.id])
}

output "pipeline_root" {
  description = "Where pipelines write their artifacts."
  value       = "${var.artifacts_url}/pipelines"
}
