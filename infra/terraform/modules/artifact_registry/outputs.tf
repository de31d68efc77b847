output "repository_url" {
  description = "Where images are pushed to and pulled from: what `penstock compile --registry` takes."
  value       = "${var.region}-docker.pkg.dev/${var.project_id}/${google_artifact_registry_repository.images.repository_id}"
}
