output "endpoint_ids" {
  description = "The IDs of the endpoints, by display name, for the last part of vertex://PROJECT/LOCATION/ENDPOINT."
  value       = { for name, endpoint in google_vertex_ai_endpoint.this : name => endpoint.name }
}

output "destinations" {
  description = "The value for the destination of push_model, by the display name of the endpoint."
  value       = { for name, endpoint in google_vertex_ai_endpoint.this : name => "vertex://${var.project_id}/${var.region}/${endpoint.name}?storage=${var.models_url}" }
}

output "registry_uri" {
  description = "The Vertex Model Registry, in the form that register_model accepts."
  value       = "vertex://${var.project_id}/${var.region}"
}

output "tensorboard_id" {
  description = "The TensorBoard instance. Null: none."
  value       = one([for tensorboard in google_vertex_ai_tensorboard.this : tensorboard.id])
}

output "pipeline_root" {
  description = "The pipeline root."
  value       = "${var.artifacts_url}/pipelines"
}
