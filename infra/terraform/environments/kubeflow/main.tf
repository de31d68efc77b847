terraform {
  # The bucket comes with `terraform init -backend-config="bucket=..."`.
  backend "gcs" {
    prefix = "penstock/kubeflow"
  }
}

module "foundation" {
  source             = "../../modules/foundation"
  project_id         = var.project_id
  name               = var.name
  region             = var.region
  cluster            = true
  vertex             = false
  workload_pool      = module.gke.workload_pool
  control_plane_cidr = var.control_plane_cidr
  github_repository  = var.github_repository
  bigquery_datasets  = var.bigquery_datasets
  emails             = var.emails
  budget             = var.budget
  uptime_hosts       = var.uptime_hosts
  alert_limits       = var.alert_limits
  labels             = var.labels
}

# Exactly what `penstock submit` reads.
module "settings" {
  source = "../../modules/settings"

  contexts = {
    kubeflow = module.services.context
  }

  platform = local.platform
}
