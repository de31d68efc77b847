locals {
  labels = merge(var.labels, { component = "mlflow" })

  # The chart calls its objects RELEASE-CHART.
  release = "mlflow"
  service = "${local.release}-mlflow"
  port    = 5000

  tracking_uri = "http://${local.service}.${kubernetes_namespace_v1.this.metadata[0].name}.svc.cluster.local:${local.port}"
  hosts        = [for suffix in ["", ".svc", ".svc.cluster.local"] : "${local.service}.mlflow${suffix}:${local.port}"]

  database = var.database != null ? var.database : { host = local.postgres, port = 5432, name = "mlflow", sslmode = "disable", secret = local.postgres }

  # User and password are PostgreSQL's own variables: they are in no URL, no argument and no log. The driver is one that reads these.
  database_url = "postgresql+psycopg2://${local.database.host}:${local.database.port}/${local.database.name}"

  values = merge(
    {
      PGSSLMODE                   = local.database.sslmode
      MLFLOW_AUTH_CONFIG_PATH     = "/etc/mlflow/basic_auth.ini"
      MLFLOW_AUTH_ADMIN_USERNAME  = "admin"
      MLFLOW_SERVER_ALLOWED_HOSTS = join(",", concat(local.hosts, sort(tolist(var.allowed_hosts)), ["localhost:*", "127.0.0.1:*"]))
    },
    var.s3 == null ? {} : { AWS_DEFAULT_REGION = var.s3.region },
    try(var.s3.endpoint, null) == null ? {} : { MLFLOW_S3_ENDPOINT_URL = var.s3.endpoint },
  )

  sources = merge(
    {
      PGUSER                         = { name = local.database.secret, key = "username" }
      PGPASSWORD                     = { name = local.database.secret, key = "password" }
      MLFLOW_AUTH_ADMIN_PASSWORD     = { name = kubernetes_secret_v1.server.metadata[0].name, key = "admin-password" }
      MLFLOW_FLASK_SERVER_SECRET_KEY = { name = kubernetes_secret_v1.server.metadata[0].name, key = "session-key" }
    },
    { for key in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] : key => { name = var.s3.secret, key = key } if try(var.s3.secret, null) != null },
  )
}

resource "kubernetes_namespace_v1" "this" {
  metadata {
    name   = "mlflow"
    labels = merge(local.labels, { "pod-security.kubernetes.io/enforce" = "restricted" })
  }
}

resource "random_password" "this" {
  for_each = toset(concat(["admin-password", "client-password", "session-key"], local.in_cluster ? ["postgres"] : []))
  length   = 32
  special  = false
}

resource "kubernetes_secret_v1" "server" {
  metadata {
    name      = "mlflow-server"
    namespace = kubernetes_namespace_v1.this.metadata[0].name
    labels    = local.labels
  }

  data = { for key in ["admin-password", "session-key"] : key => random_password.this[key].result }
}

# Anonymous users may do nothing. Users may read until an administrator grants more.
resource "kubernetes_config_map_v1" "auth" {
  metadata {
    name      = "mlflow-auth"
    namespace = kubernetes_namespace_v1.this.metadata[0].name
    labels    = local.labels
  }

  data = {
    "basic_auth.ini" = <<-EOT
      [mlflow]
      default_permission = READ
      database_uri = ${local.database_url}
      authorization_function = mlflow.server.auth:authenticate_request_basic_auth
    EOT
  }
}

resource "helm_release" "this" {
  name       = local.release
  namespace  = kubernetes_namespace_v1.this.metadata[0].name
  repository = "oci://ghcr.io/mlflow/charts"
  chart      = "mlflow"
  version    = var.chart_version

  values = [yamlencode({
    image        = { repository = split(":", local.image)[0], tag = split(":", local.image)[1] }
    replicaCount = var.replicas
    server       = { value_options = { host = "0.0.0.0", port = local.port, workers = 2, app_name = "basic-auth" } }

    mlflow = {
      backendStoreUri      = local.database_url
      artifactsDestination = var.artifacts_url
    }

    env = concat(
      [for name, value in local.values : { name = name, value = value }],
      [for name, source in local.sources : { name = name, valueFrom = { secretKeyRef = source } }],
    )

    extraVolumes      = [{ name = "auth", configMap = { name = kubernetes_config_map_v1.auth.metadata[0].name } }]
    extraVolumeMounts = [{ name = "auth", mountPath = "/etc/mlflow", readOnly = true }]

    serviceAccount = { create = true, name = "mlflow", annotations = var.service_account_annotations }
    podLabels      = local.labels
    # Its start is mostly imports, and the chart has no patience with it: 75 s.
    resources = { requests = { cpu = "1", memory = "1Gi" }, limits = { memory = "2Gi" } }
  })]

  depends_on = [kubernetes_stateful_set_v1.postgres]
}
