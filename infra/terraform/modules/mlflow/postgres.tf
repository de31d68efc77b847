# The database in the cluster, for who has no other.
locals {
  in_cluster = var.database == null
  postgres   = "mlflow-postgres"
  selector   = { app = local.postgres }
  databases  = toset(local.in_cluster ? [local.postgres] : [])
}

resource "kubernetes_secret_v1" "postgres" {
  for_each = local.databases

  metadata {
    name      = each.value
    namespace = kubernetes_namespace_v1.this.metadata[0].name
    labels    = local.labels
  }

  data = {
    username = "mlflow"
    password = random_password.this["postgres"].result
  }
}

# Who really wants to lose all runs takes it out of Terraform's state first.
resource "kubernetes_persistent_volume_claim_v1" "postgres" {
  for_each         = local.databases
  wait_until_bound = false # many a storage class waits for the pod

  metadata {
    name      = each.value
    namespace = kubernetes_namespace_v1.this.metadata[0].name
    labels    = local.labels
  }

  spec {
    access_modes = ["ReadWriteOnce"]

    resources {
      requests = { storage = var.volume_size }
    }
  }

  lifecycle {
    prevent_destroy = true
  }
}

resource "kubernetes_stateful_set_v1" "postgres" {
  for_each = local.databases

  metadata {
    name      = each.value
    namespace = kubernetes_namespace_v1.this.metadata[0].name
    labels    = local.labels
  }

  spec {
    service_name = kubernetes_service_v1.postgres[each.key].metadata[0].name
    replicas     = 1

    selector {
      match_labels = local.selector
    }

    template {
      metadata {
        labels = merge(local.labels, local.selector)
      }

      spec {
        automount_service_account_token = false

        security_context {
          run_as_non_root = true
          run_as_user     = 999 # the image's postgres
          fs_group        = 999

          seccomp_profile {
            type = "RuntimeDefault"
          }
        }

        container {
          name  = "postgres"
          image = var.postgres_image

          port {
            container_port = 5432
          }

          dynamic "env" {
            for_each = { POSTGRES_USER = "username", POSTGRES_PASSWORD = "password" }

            content {
              name = env.key

              value_from {
                secret_key_ref {
                  name = kubernetes_secret_v1.postgres[each.key].metadata[0].name
                  key  = env.value
                }
              }
            }
          }

          dynamic "env" {
            for_each = { POSTGRES_DB = "mlflow", PGDATA = "/var/lib/postgresql/data/pgdata" }

            content {
              name  = env.key
              value = env.value
            }
          }

          dynamic "volume_mount" {
            for_each = { data = "/var/lib/postgresql/data", run = "/var/run/postgresql", tmp = "/tmp" }

            content {
              name       = volume_mount.key
              mount_path = volume_mount.value
            }
          }

          readiness_probe {
            period_seconds = 5

            exec {
              command = ["pg_isready", "--username=mlflow", "--dbname=mlflow"]
            }
          }

          liveness_probe {
            period_seconds        = 20
            initial_delay_seconds = 60

            exec {
              command = ["pg_isready", "--username=mlflow", "--dbname=mlflow"]
            }
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
          name = "data"

          persistent_volume_claim {
            claim_name = kubernetes_persistent_volume_claim_v1.postgres[each.key].metadata[0].name
          }
        }

        dynamic "volume" {
          for_each = toset(["run", "tmp"])

          content {
            name = volume.value

            empty_dir {}
          }
        }
      }
    }
  }
}

resource "kubernetes_service_v1" "postgres" {
  for_each = local.databases

  metadata {
    name      = each.value
    namespace = kubernetes_namespace_v1.this.metadata[0].name
    labels    = local.labels
  }

  spec {
    cluster_ip = "None"
    selector   = local.selector

    port {
      name = "postgres"
      port = 5432
    }
  }
}

# Only MLflow asks it.
resource "kubernetes_network_policy_v1" "postgres" {
  for_each = local.databases

  metadata {
    name      = each.value
    namespace = kubernetes_namespace_v1.this.metadata[0].name
    labels    = local.labels
  }

  spec {
    policy_types = ["Ingress"]

    pod_selector {
      match_labels = local.selector
    }

    ingress {
      from {
        pod_selector {
          match_labels = { "app.kubernetes.io/name" = "mlflow", "app.kubernetes.io/instance" = local.release }
        }
      }

      ports {
        port     = "5432"
        protocol = "TCP"
      }
    }
  }
}
