locals {
  namespaces = { kubeflow = module.kubeflow.namespace, models = module.kserve.models_namespace, mlflow = module.mlflow.namespace }

  store_namespaces = try(local.s3.secret, null) == null ? {} : local.namespaces
}

resource "kubernetes_secret_v1" "databases" {
  for_each = local.databases

  metadata {
    name      = each.value.secret
    namespace = local.namespaces[each.key]
    labels    = merge(var.labels, { component = "cluster-services" })
  }

  data = { username = each.value.user, password = var.database_passwords[each.key] }
}

resource "kubernetes_secret_v1" "store" {
  for_each = local.store_namespaces

  metadata {
    name      = local.s3.secret
    namespace = each.value
    labels    = merge(var.labels, { component = "cluster-services" })
  }

  data = { AWS_ACCESS_KEY_ID = var.s3_credentials.access_key_id, AWS_SECRET_ACCESS_KEY = var.s3_credentials.secret_access_key }
}
