# What is changed of the manifests. A patch without a target must find its object: a release that has renamed it is not applied.
locals {
  cluster_patches = local.deletions_of["cluster"]
  patches         = concat(local.deletions_of["namespace"], local.merges)

  api_versions = { Deployment = "apps/v1", NetworkPolicy = "networking.k8s.io/v1", Role = "rbac.authorization.k8s.io/v1" }

  # Namespace, secrets and volumes are Terraform's: made first, and not to be destroyed by accident.
  deleted = {
    cluster = [["Namespace", "$(kfp-cluster-scoped-namespace)"]] # the name it has before the manifests give it another
    namespace = concat(
      [["Secret", "mysql-secret"], ["PersistentVolumeClaim", "mysql-pv-claim"]],
      var.database == null ? [] : [["Deployment", "mysql"], ["Service", "mysql"], ["ServiceAccount", "mysql"]],
      [["Secret", "mlpipeline-minio-artifact"], ["PersistentVolumeClaim", "seaweedfs-pvc"]],
      local.external_store ? [["Deployment", "seaweedfs"], ["Service", "seaweedfs"], ["ServiceAccount", "seaweedfs"], ["NetworkPolicy", "seaweedfs"]] : [],
    )
  }

  deletions_of = {
    for stage, objects in local.deleted : stage => [
      for object in objects : {
        patch = yamlencode({
          "$patch"   = "delete"
          apiVersion = lookup(local.api_versions, object[0], "v1")
          kind       = object[0]
          metadata   = merge({ name = object[1] }, object[0] == "Namespace" ? {} : { namespace = "kubeflow" })
        })
      }
    ]
  }

  database_user     = { secretKeyRef = { name = local.database.secret, key = "username" } }
  database_password = { secretKeyRef = { name = local.database.secret, key = "password" } }
  store_access_key  = { secretKeyRef = { name = local.store.secret, key = local.store.access_key } }
  store_secret_key  = { secretKeyRef = { name = local.store.secret, key = local.store.secret_key } }

  # The variables of each deployment's container: values, and where other values come from.
  environments = merge(
    {
      ml-pipeline = {
        container = "ml-pipeline-api-server"
        values = {
          OBJECTSTORECONFIG_HOST   = local.store.host
          OBJECTSTORECONFIG_PORT   = local.store.port
          OBJECTSTORECONFIG_SECURE = tostring(local.store.tls)
          OBJECTSTORECONFIG_REGION = local.store.region
        }
        sources = {
          DBCONFIG_USER                     = local.database_user
          DBCONFIG_PASSWORD                 = local.database_password
          DBCONFIG_MYSQLCONFIG_USER         = local.database_user
          DBCONFIG_MYSQLCONFIG_PASSWORD     = local.database_password
          OBJECTSTORECONFIG_ACCESSKEY       = local.store_access_key
          OBJECTSTORECONFIG_SECRETACCESSKEY = local.store_secret_key
        }
      }
      ml-pipeline-ui = {
        container = "ml-pipeline-ui"
        values = merge(
          { MINIO_HOST = local.store.host, MINIO_PORT = local.store.port, MINIO_SSL = tostring(local.store.tls), MINIO_NAMESPACE = "" },
          { DISABLE_GKE_METADATA = tostring(!local.on_gs) },
          local.on_s3 ? { AWS_S3_ENDPOINT = var.object_store.endpoint, AWS_REGION = var.object_store.region, AWS_SSL = tostring(var.object_store.tls) } : {},
        )
        sources = merge(
          { MINIO_ACCESS_KEY = local.store_access_key, MINIO_SECRET_KEY = local.store_secret_key },
          local.external_store ? { AWS_ACCESS_KEY_ID = local.store_access_key, AWS_SECRET_ACCESS_KEY = local.store_secret_key } : {},
        )
      }
      metadata-grpc-deployment = {
        container = "container"
        values    = {}
        sources   = { DBCONFIG_USER = local.database_user, DBCONFIG_PASSWORD = local.database_password }
      }
      cache-server = {
        container = "server"
        values    = {}
        sources   = { DBCONFIG_USER = local.database_user, DBCONFIG_PASSWORD = local.database_password }
      }
    },
    var.database == null ? {
      mysql = {
        container = "mysql"
        values    = { MYSQL_ALLOW_EMPTY_PASSWORD = "" }
        sources   = { MYSQL_ROOT_PASSWORD = local.database_password }
      }
    } : {},
  )

  config_maps = {
    pipeline-install-config = {
      mysqlHost  = local.database.host
      mysqlPort  = tostring(local.database.port)
      bucketName = local.store.bucket
    }
    kfp-launcher = local.launcher
    workflow-controller-configmap = {
      # Without the manifests' templateDefaults: their retry policy, OnError, takes the place of a task's own, so that no failed task is tried
      # again, and a pod that cannot be made is tried at every level, which leaves a run broken. The rest is theirs.
      workflowDefaults = yamlencode({
        spec = { ttlStrategy = { secondsAfterCompletion = 3600, secondsAfterSuccess = 3600, secondsAfterFailure = 3600 } }
      })
      # The manifests then write their namespace after the first dot and their bucket into the second pair of quotes: into this comment.
      artifactRepository = join("\n", ["# .kubeflow. \"\" \"${local.store.bucket}\"", yamlencode({
        archiveLogs = true
        s3 = {
          endpoint        = "${local.store.host}:${local.store.port}"
          bucket          = local.store.bucket
          region          = local.store.region
          insecure        = !local.store.tls
          keyFormat       = "private-artifacts/{{workflow.namespace}}/{{workflow.name}}/{{workflow.creationTimestamp.Y}}/{{workflow.creationTimestamp.m}}/{{workflow.creationTimestamp.d}}/{{pod.name}}"
          accessKeySecret = { name = local.store.secret, key = local.store.access_key }
          secretKeySecret = { name = local.store.secret, key = local.store.secret_key }
        }
      })])
    }
  }

  merged = concat(
    [
      for name, deployment in local.environments : {
        kind = "Deployment"
        name = name
        body = {
          spec = {
            template = {
              spec = {
                containers = [{
                  name = deployment.container
                  env = concat(
                    [for variable, value in deployment.values : { name = variable, value = value, valueFrom = null }],
                    [for variable, source in deployment.sources : { name = variable, valueFrom = source }],
                  )
                }]
              }
            }
          }
        }
      }
    ],
    [for name, data in local.config_maps : { kind = "ConfigMap", name = name, body = { data = data } }],
    [{ kind = "Role", name = "pipeline-runner", body = { rules = [for rule in local.task_rules : { for key, value in rule : key => value if length(value) > 0 }] } }],
    [
      for name in ["ml-pipeline-ui", "pipeline-runner"] :
      { kind = "ServiceAccount", name = name, body = { metadata = { annotations = var.service_account_annotations[name] } } }
      if contains(keys(var.service_account_annotations), name)
    ],
  )

  merges = [
    for object in local.merged : {
      patch = yamlencode(merge(object.body, {
        apiVersion = lookup(local.api_versions, object.kind, "v1")
        kind       = object.kind
        metadata   = merge(try(object.body.metadata, {}), { name = object.name, namespace = "kubeflow" })
      }))
    }
  ]
}
