output "repository_url" {
  description = "The registry of the images, for `penstock compile --registry`."
  value       = "${var.region}-docker.pkg.dev/${var.project_id}/${google_artifact_registry_repository.images.repository_id}"
}
