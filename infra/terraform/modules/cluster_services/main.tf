# Kubeflow Pipelines, KServe and MLflow on one cluster, whosever it is.
locals {
  # NAMESPACE/NAME -> annotations, as each module takes them.
  annotations = { for subject, annotations in var.service_account_annotations : split("/", subject)[1] => annotations }

  s3        = var.s3 == null ? null : merge(var.s3, { secret = nonsensitive(var.s3_credentials != null) ? "artifact-store" : null })
  databases = { for name, database in var.databases : name => merge(database, { secret = "${name}-database" }) }
}

module "kubeflow" {
  source = "../kubeflow"

  flux_version     = var.flux_version
  models_namespace = module.kserve.models_namespace
  models           = setunion([var.model], var.models)
  operators        = var.operators
  database         = lookup(local.databases, "kubeflow", null)
  object_store     = merge(local.s3 == null ? {} : local.s3, { url = "${var.artifacts_url}/pipelines" })
  quota            = var.quota
  training         = var.training
  labels           = var.labels

  service_account_annotations = { for name, annotations in local.annotations : name => annotations if contains(["pipeline-runner", "penstock-trainer", "penstock-pusher", "ml-pipeline-ui"], name) }
}

module "kserve" {
  source = "../kserve"

  deployment_mode             = var.deployment_mode
  cert_manager_version        = var.cert_manager_version
  gateway                     = { class = var.gateway_class }
  exposure                    = var.exposure
  domain                      = var.domain
  s3                          = local.s3
  service_account_annotations = lookup(local.annotations, "penstock-serving", {})
  labels                      = var.labels
}

module "mlflow" {
  source = "../mlflow"

  artifacts_url               = "${coalesce(var.tracking_url, var.artifacts_url)}/mlflow"
  database                    = lookup(local.databases, "mlflow", null)
  s3                          = local.s3 == null ? null : { endpoint = local.s3.endpoint == "s3.amazonaws.com" ? null : "${local.s3.tls ? "https" : "http"}://${local.s3.endpoint}", region = local.s3.region, secret = local.s3.secret }
  service_account_annotations = lookup(local.annotations, "mlflow", {})
  client_namespaces           = [module.kubeflow.namespace]
  labels                      = var.labels
}
