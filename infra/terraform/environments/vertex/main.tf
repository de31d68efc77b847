terraform {
  # The bucket comes with `terraform init -backend-config="bucket=..."`.
  backend "gcs" {
    prefix = "penstock/vertex"
  }
}

module "foundation" {
  source            = "../../modules/foundation"
  project_id        = var.project_id
  name              = var.name
  region            = var.region
  cluster           = false
  vertex            = true
  github_repository = var.github_repository
  bigquery_datasets = var.bigquery_datasets
  emails            = var.emails
  budget            = var.budget
  uptime_hosts      = var.uptime_hosts
  alert_limits      = var.alert_limits
  labels            = var.labels
}

# Exactly what `penstock submit` reads.
module "settings" {
  source = "../../modules/settings"

  contexts = {
    vertex = local.vertex_context
  }
}
