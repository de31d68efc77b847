# APIs, and the accounts by which Google's services use the project's keys.
data "google_project" "this" {
  project_id = var.project_id
}

locals {
  number = data.google_project.this.number

  apis = toset(concat(
    [
      "artifactregistry.googleapis.com", "bigquery.googleapis.com", "cloudkms.googleapis.com", "cloudresourcemanager.googleapis.com", "compute.googleapis.com",
      "iam.googleapis.com", "iamcredentials.googleapis.com", "logging.googleapis.com", "monitoring.googleapis.com", "servicenetworking.googleapis.com",
      "storage.googleapis.com", "sts.googleapis.com",
    ],
    var.cluster ? ["container.googleapis.com", "sqladmin.googleapis.com"] : [],
    var.vertex ? ["aiplatform.googleapis.com"] : [],
    var.budget == null ? [] : ["billingbudgets.googleapis.com"],
  ))

  agents = {
    for name, address in {
      storage  = "service-${local.number}@gs-project-accounts"
      bigquery = "bq-${local.number}@bigquery-encryption"
      images   = "service-${local.number}@gcp-sa-artifactregistry"
      gke      = "service-${local.number}@container-engine-robot"
      disks    = "service-${local.number}@compute-system"
      sql      = "service-${local.number}@gcp-sa-cloud-sql"
      vertex   = "service-${local.number}@gcp-sa-aiplatform"
    } : name => "serviceAccount:${address}.iam.gserviceaccount.com"
  }

  key_users = {
    storage   = [local.agents.storage, local.agents.bigquery] # the audit logs in BigQuery have the buckets' key
    artifacts = [local.agents.images]
    gke       = [local.agents.gke, local.agents.disks]
    sql       = [local.agents.sql]
    vertex    = [local.agents.vertex]
  }
}

resource "google_project_service" "apis" {
  for_each           = local.apis
  project            = var.project_id
  service            = each.value
  disable_on_destroy = false # others in the project may need it
}

# Agents come into being when they are first needed, which is after they were given a key: these ask for them.
resource "google_project_service_identity" "agents" {
  provider = google-beta
  for_each = setintersection(local.apis, ["aiplatform.googleapis.com", "artifactregistry.googleapis.com", "container.googleapis.com", "sqladmin.googleapis.com"])
  project  = var.project_id
  service  = google_project_service.apis[each.key].service
}

data "google_storage_project_service_account" "agent" {
  project    = var.project_id
  depends_on = [google_project_service.apis]
}

data "google_bigquery_default_service_account" "agent" {
  project    = var.project_id
  depends_on = [google_project_service.apis]
}
