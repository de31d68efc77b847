# The database and the object store: those of the manifests or external ones, configured in the same way for their users.
locals {
  external_store = var.object_store != null && try(var.object_store.secret, null) != null
  root           = var.object_store == null ? "minio://mlpipeline/v2/artifacts" : trimsuffix(var.object_store.url, "/")
  on_s3          = startswith(local.root, "s3://")
  on_gs          = startswith(local.root, "gs://")

  database = var.database != null ? var.database : { host = "mysql", port = 3306, secret = "mysql-secret" }

  endpoint = local.external_store ? split(":", var.object_store.endpoint) : ["seaweedfs.kubeflow", "9000"]
  store = {
    bucket     = local.external_store ? split("/", local.root)[2] : "mlpipeline"
    host       = local.endpoint[0]
    port       = try(local.endpoint[1], var.object_store.tls ? "443" : "80")
    tls        = local.external_store ? var.object_store.tls : false
    region     = local.external_store ? var.object_store.region : "us-east-1"
    secret     = local.external_store ? var.object_store.secret : "mlpipeline-minio-artifact"
    access_key = local.external_store ? "AWS_ACCESS_KEY_ID" : "accesskey"
    secret_key = local.external_store ? "AWS_SECRET_ACCESS_KEY" : "secretkey"
  }

  made_secrets = merge(
    var.database == null ? { mysql-secret = { name_key = "username", name = "root", password_key = "password" } } : {},
    local.external_store ? {} : { mlpipeline-minio-artifact = { name_key = "accesskey", name = "kubeflow", password_key = "secretkey" } },
  )

  volumes = toset(concat(var.database == null ? ["mysql-pv-claim"] : [], local.external_store ? [] : ["seaweedfs-pvc"]))

  # How a task reaches its artifacts. gs:// needs no configuration: access depends on the service account.
  launcher = merge(
    { defaultPipelineRoot = local.root },
    local.on_s3 ? {
      providers = yamlencode({
        s3 = {
          default = {
            endpoint   = var.object_store.endpoint
            region     = var.object_store.region
            disableSSL = !var.object_store.tls
            credentials = local.external_store ? {
              fromEnv   = false
              secretRef = { secretName = local.store.secret, accessKeyKey = local.store.access_key, secretKeyKey = local.store.secret_key }
            } : { fromEnv = true, secretRef = null }
          }
        }
      })
    } : {},
  )
}
