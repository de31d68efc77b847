# The user that pipelines are: it manages what it makes and reads the rest. MLflow makes the first user itself, and others by its API only.
locals {
  clients = toset(length(var.client_namespaces) > 0 ? ["penstock"] : [])
  image   = "ghcr.io/mlflow/mlflow:v${var.mlflow_version}-full"
}

resource "kubernetes_secret_v1" "clients" {
  for_each = var.client_namespaces

  metadata {
    name      = "penstock-mlflow"
    namespace = each.value
    labels    = local.labels
  }

  data = {
    MLFLOW_TRACKING_USERNAME = one(local.clients)
    MLFLOW_TRACKING_PASSWORD = random_password.this["client-password"].result
  }
}

resource "kubernetes_secret_v1" "client" {
  for_each = local.clients

  metadata {
    name      = "mlflow-client"
    namespace = kubernetes_namespace_v1.this.metadata[0].name
    labels    = local.labels
  }

  data = { password = random_password.this["client-password"].result }
}

resource "kubernetes_config_map_v1" "client" {
  for_each = local.clients

  metadata {
    name      = "mlflow-client"
    namespace = kubernetes_namespace_v1.this.metadata[0].name
    labels    = local.labels
  }

  data = { "client.py" = file("${path.module}/client.py") }
}

resource "kubernetes_job_v1" "client" {
  for_each = local.clients

  metadata {
    # A job cannot be changed: another script is another job.
    name      = "mlflow-client-${substr(filesha256("${path.module}/client.py"), 0, 8)}"
    namespace = kubernetes_namespace_v1.this.metadata[0].name
    labels    = local.labels
  }

  spec {
    backoff_limit = 6

    template {
      metadata {
        labels = merge(local.labels, { app = "mlflow-client" })
      }

      spec {
        automount_service_account_token = false
        restart_policy                  = "OnFailure"

        security_context {
          run_as_non_root = true
          run_as_user     = 65532

          seccomp_profile {
            type = "RuntimeDefault"
          }
        }

        container {
          name    = "client"
          image   = local.image
          command = ["python", "/etc/mlflow/client.py"]

          dynamic "env" {
            for_each = {
              MLFLOW_TRACKING_URI      = local.tracking_uri
              MLFLOW_TRACKING_USERNAME = local.values.MLFLOW_AUTH_ADMIN_USERNAME
              CLIENT_USERNAME          = each.key
            }

            content {
              name  = env.key
              value = env.value
            }
          }

          dynamic "env" {
            for_each = {
              MLFLOW_TRACKING_PASSWORD = { secret = kubernetes_secret_v1.server.metadata[0].name, key = "admin-password" }
              CLIENT_PASSWORD          = { secret = kubernetes_secret_v1.client[each.key].metadata[0].name, key = "password" }
            }

            content {
              name = env.key

              value_from {
                secret_key_ref {
                  name = env.value.secret
                  key  = env.value.key
                }
              }
            }
          }

          volume_mount {
            name       = "client"
            mount_path = "/etc/mlflow"
            read_only  = true
          }

          volume_mount {
            name       = "tmp"
            mount_path = "/tmp"
          }

          resources {
            requests = { cpu = "100m", memory = "512Mi" }
            limits   = { memory = "1Gi" }
          }

          security_context {
            allow_privilege_escalation = false
            read_only_root_filesystem  = true

            capabilities {
              drop = ["ALL"]
            }
          }
        }

        volume {
          name = "client"

          config_map {
            name = kubernetes_config_map_v1.client[each.key].metadata[0].name
          }
        }

        volume {
          name = "tmp"

          empty_dir {}
        }
      }
    }
  }

  wait_for_completion = true

  timeouts {
    create = "10m"
  }

  depends_on = [helm_release.this]

  lifecycle {
    replace_triggered_by = [kubernetes_secret_v1.client]
  }
}
