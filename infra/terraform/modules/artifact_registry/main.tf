locals {
  grants = merge(
    { for member in var.readers : "reader ${member}" => { role = "roles/artifactregistry.reader", member = member } },
    { for member in var.writers : "writer ${member}" => { role = "roles/artifactregistry.writer", member = member } },
  )
}

resource "google_artifact_registry_repository" "images" {
  project       = var.project_id
  location      = var.region
  repository_id = "${var.name}-images"
  format        = "DOCKER"
  description   = "The images of the component families."
  kms_key_name  = var.kms_key_id
  labels        = merge(var.labels, { component = "artifact-registry" })

  # A compiled pipeline names its images by version: a version never changes.
  docker_config {
    immutable_tags = true
  }

  cleanup_policies {
    id     = "keep-versions"
    action = "KEEP"

    most_recent_versions {
      keep_count = var.keep_versions
    }
  }

  cleanup_policies {
    id     = "delete-untagged"
    action = "DELETE"

    condition {
      tag_state  = "UNTAGGED"
      older_than = "${var.untagged_days * 86400}s"
    }
  }

  vulnerability_scanning_config {
    enablement_config = "INHERITED"
  }
}

resource "google_artifact_registry_repository_iam_member" "access" {
  for_each   = local.grants
  project    = var.project_id
  location   = var.region
  repository = google_artifact_registry_repository.images.name
  role       = each.value.role
  member     = each.value.member
}
