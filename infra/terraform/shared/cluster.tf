module "gke" {
  source               = "../../modules/gke"
  project_id           = var.project_id
  name                 = var.name
  region               = var.region
  network_id           = module.foundation.network_id
  subnetwork_id        = module.foundation.subnetwork_id
  pods_range_name      = module.foundation.ranges.pods
  services_range_name  = module.foundation.ranges.services
  control_plane_cidr   = module.foundation.ranges.control_plane
  authorized_networks  = var.authorized_networks
  node_service_account = module.foundation.emails["nodes"]
  cpu_pools            = var.cpu_pools
  gpu_pools            = var.gpu_pools
  kms_key_id           = module.foundation.key_ids["gke"]
  deletion_protection  = var.deletion_protection
  labels               = var.labels
}

module "sql" {
  source                      = "../../modules/sql"
  project_id                  = var.project_id
  name                        = var.name
  region                      = var.region
  network_id                  = module.foundation.network_id
  private_services_connection = module.foundation.private_services_connection
  high_availability           = var.high_availability
  kms_key_id                  = module.foundation.key_ids["sql"]
  deletion_protection         = var.deletion_protection
  labels                      = var.labels
  databases                   = var.cloud_sql ? local.databases : {}
}

locals {
  # Kubeflow's metadata store knows MySQL's old passwords only, which Cloud SQL has in 8.0, and speaks no TLS.
  databases = {
    kubeflow = { version = "MYSQL_8_0", database = "mlpipeline", tls = false }
    mlflow   = { version = "POSTGRES_17", database = "mlflow" }
  }
}

module "services" {
  source = "../../modules/cluster_services"

  artifacts_url      = module.foundation.bucket_urls["artifacts"]
  tracking_url       = module.foundation.bucket_urls["tracking"]
  models_url         = module.foundation.bucket_urls["models"]
  databases          = { for name, database in local.databases : name => { host = module.sql.hosts[name], port = module.sql.ports[name], name = module.sql.names[name], user = module.sql.users[name] } if var.cloud_sql }
  database_passwords = module.sql.passwords
  deployment_mode    = var.deployment_mode
  exposure           = var.exposure
  domain             = var.domain
  model              = var.model
  models             = var.models
  operators          = var.operators
  experiment         = var.experiment
  metrics            = "google"
  alert_limits       = var.alert_limits
  training           = var.training
  ingress_namespaces = var.ingress_namespaces
  labels             = var.labels

  service_account_annotations = { for subject, email in module.foundation.kubernetes_service_accounts : subject => { "iam.gke.io/gcp-service-account" = email } }
}

locals {
  platform = merge(module.services.platform, {
    accelerators = { for pool, tolerations in module.gke.gpu_tolerations : pool => { tolerations = tolerations, node_selectors = module.gke.gpu_node_selectors[pool] } }
  })
}

data "google_client_config" "this" {}

locals {
  cluster = {
    host                   = "https://${module.gke.endpoint}"
    token                  = data.google_client_config.this.access_token
    cluster_ca_certificate = base64decode(module.gke.ca_certificate)
  }
}

provider "kubernetes" {
  host                   = local.cluster.host
  token                  = local.cluster.token
  cluster_ca_certificate = local.cluster.cluster_ca_certificate
}

provider "helm" {
  kubernetes = local.cluster
}

output "credentials_command" {
  description = "The command that configures kubectl for the cluster."
  value       = "gcloud container clusters get-credentials ${module.gke.cluster_name} --project ${var.project_id} --location ${module.gke.location}"
}

output "ready_command" {
  description = "The command that waits until Kubeflow Pipelines is ready; Terraform does not wait for it."
  value       = module.services.ready_command
}

output "mlflow_admin_secret" {
  description = "The secret (NAMESPACE/NAME) with the password of the MLflow user admin."
  value       = module.services.mlflow_admin_secret
}

output "workers_at" {
  description = "The parameter workers_at of train_model. Null without training."
  value       = module.services.workers_at
}
