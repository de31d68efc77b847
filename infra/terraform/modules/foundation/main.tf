# What every environment on Google Cloud stands on.
locals {
  keys = toset(concat(["storage", "artifacts"], var.cluster ? ["gke", "sql"] : [], var.vertex ? ["vertex"] : []))
}

module "kms" {
  source     = "../kms"
  project_id = var.project_id
  name       = var.name
  region     = var.region
  keys       = local.keys
  users      = { for key, members in local.key_users : key => members if contains(local.keys, key) }
  labels     = var.labels

  # A grant to an agent that is not there yet fails.
  depends_on = [google_project_service.apis, google_project_service_identity.agents, data.google_storage_project_service_account.agent, data.google_bigquery_default_service_account.agent]
}

module "network" {
  source             = "../network"
  project_id         = var.project_id
  name               = var.name
  region             = var.region
  control_plane_cidr = var.control_plane_cidr

  depends_on = [google_project_service.apis]
}

module "iam" {
  source            = "../iam"
  project_id        = var.project_id
  name              = var.name
  workload_pool     = var.workload_pool
  github_repository = var.github_repository
}

module "storage" {
  source     = "../storage"
  project_id = var.project_id
  name       = var.name
  region     = var.region
  kms_key_id = module.kms.key_ids["storage"]
  access     = local.access
  labels     = var.labels
}

module "artifact_registry" {
  source     = "../artifact_registry"
  project_id = var.project_id
  name       = var.name
  region     = var.region
  kms_key_id = module.kms.key_ids["artifacts"]
  readers    = concat(var.cluster ? [module.iam.members["nodes"]] : [], var.vertex ? [local.agents.vertex] : [])
  writers    = [module.iam.members["ci"]]
  labels     = var.labels
}

module "monitoring" {
  source       = "../monitoring"
  project_id   = var.project_id
  name         = var.name
  region       = var.region
  emails       = var.emails
  uptime_hosts = var.uptime_hosts
  alert_limits = var.alert_limits
  vertex       = var.vertex
  kms_key_id   = module.kms.key_ids["storage"]
  labels       = var.labels

  depends_on = [google_project_service.apis]
}

module "budget" {
  source          = "../budget"
  for_each        = var.budget == null ? {} : { month = var.budget }
  project_id      = var.project_id
  name            = var.name
  project_number  = data.google_project.this.number
  billing_account = each.value.billing_account
  amount          = each.value.amount
  currency        = each.value.currency
  emails          = var.emails
  labels          = var.labels

  depends_on = [google_project_service.apis]
}
