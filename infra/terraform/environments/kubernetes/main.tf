module "services" {
  source = "../../modules/cluster_services"

  artifacts_url               = var.artifacts_url
  tracking_url                = var.tracking_url
  models_url                  = var.models_url
  s3                          = var.s3
  s3_credentials              = var.s3_credentials
  databases                   = var.databases
  database_passwords          = var.database_passwords
  service_account_annotations = var.service_account_annotations
  deployment_mode             = var.deployment_mode
  exposure                    = var.exposure
  domain                      = var.domain
  model                       = var.model
  models                      = var.models
  operators                   = var.operators
  experiment                  = var.experiment
  flux_version                = var.flux_version
  cert_manager_version        = var.cert_manager_version
  gateway_class               = var.gateway_class
  metrics                     = var.metrics
  alert_limits                = var.alert_limits
  quota                       = var.quota
  training                    = var.training
  ingress_namespaces          = var.ingress_namespaces
  labels                      = var.labels
}

# Exactly what `penstock submit` reads.
module "settings" {
  source = "../../modules/settings"

  contexts = { kubeflow = module.services.context }
  platform = merge(module.services.platform, { accelerators = var.accelerators })
}
