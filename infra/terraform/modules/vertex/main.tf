locals {
  labels = merge(var.labels, { component = "vertex" })
  keys   = var.kms_key_id == null ? [] : [var.kms_key_id]
}

resource "google_project_service" "apis" {
  for_each           = toset(["aiplatform.googleapis.com", "artifactregistry.googleapis.com", "compute.googleapis.com", "storage.googleapis.com"])
  project            = var.project_id
  service            = each.value
  disable_on_destroy = false # others in the project may need it
}

# Pipelines would make it on their first run, but not with a key.
resource "google_vertex_ai_metadata_store" "default" {
  provider    = google-beta
  project     = var.project_id
  region      = var.region
  name        = "default"
  description = "What pipelines made, and from what."

  dynamic "encryption_spec" {
    for_each = local.keys

    content {
      kms_key_name = encryption_spec.value
    }
  }

  depends_on = [google_project_service.apis]

  lifecycle {
    prevent_destroy = true # the lineage of every model
  }
}

# An endpoint's name is a number that the caller chooses.
resource "random_integer" "endpoint" {
  for_each = var.endpoints
  min      = 1000000000
  max      = 9999999999
}

resource "google_vertex_ai_endpoint" "this" {
  for_each     = var.endpoints
  project      = var.project_id
  region       = var.region
  location     = var.region
  name         = tostring(random_integer.endpoint[each.key].result)
  display_name = each.key
  network      = var.network
  labels       = local.labels

  dynamic "encryption_spec" {
    for_each = local.keys

    content {
      kms_key_name = encryption_spec.value
    }
  }

  depends_on = [google_project_service.apis]

  lifecycle {
    prevent_destroy = true
    ignore_changes  = [labels, description, traffic_split] # push_model keeps the rollback point there, and shifts the traffic
  }
}

resource "google_vertex_ai_tensorboard" "this" {
  for_each     = toset(var.tensorboard ? ["tensorboard"] : [])
  project      = var.project_id
  region       = var.region
  display_name = "${var.name}-${each.key}"
  labels       = local.labels

  dynamic "encryption_spec" {
    for_each = local.keys

    content {
      kms_key_name = encryption_spec.value
    }
  }

  depends_on = [google_project_service.apis]
}
