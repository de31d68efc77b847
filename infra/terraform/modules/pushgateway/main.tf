# Keeps what monitor_model last said of each version until the next time, for who collects metrics.
locals {
  name   = "pushgateway"
  port   = 9091
  labels = merge(var.labels, { component = local.name })
  pods   = { app = local.name }
}

resource "kubernetes_namespace_v1" "this" {
  metadata {
    name   = local.name
    labels = merge(local.labels, { "pod-security.kubernetes.io/enforce" = "restricted" })
  }
}

# Figures that went with a pod would be missed by no alert.
resource "kubernetes_persistent_volume_claim_v1" "this" {
  wait_until_bound = false # many a storage class waits for the pod

  metadata {
    name      = local.name
    namespace = kubernetes_namespace_v1.this.metadata[0].name
    labels    = local.labels
  }

  spec {
    access_modes = ["ReadWriteOnce"]

    resources {
      requests = { storage = "1Gi" }
    }
  }
}

resource "kubernetes_deployment_v1" "this" {
  metadata {
    name      = local.name
    namespace = kubernetes_namespace_v1.this.metadata[0].name
    labels    = local.labels
  }

  spec {
    replicas = 1 # two would each have half of the figures

    strategy {
      type = "Recreate" # the volume is one pod's
    }

    selector {
      match_labels = local.pods
    }

    template {
      metadata {
        labels = merge(local.labels, local.pods)
      }

      spec {
        automount_service_account_token = false

        security_context {
          run_as_non_root = true
          run_as_user     = 65534
          fs_group        = 65534

          seccomp_profile {
            type = "RuntimeDefault"
          }
        }

        container {
          name  = local.name
          image = var.image
          args  = ["--persistence.file=/data/figures", "--persistence.interval=10s"]

          port {
            container_port = local.port
          }

          volume_mount {
            name       = "data"
            mount_path = "/data"
          }

          readiness_probe {
            http_get {
              path = "/-/ready"
              port = local.port
            }
          }

          liveness_probe {
            http_get {
              path = "/-/healthy"
              port = local.port
            }
          }

          resources {
            requests = { cpu = "10m", memory = "64Mi" }
            limits   = { memory = "256Mi" }
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
            claim_name = kubernetes_persistent_volume_claim_v1.this.metadata[0].name
          }
        }
      }
    }
  }
}

resource "kubernetes_service_v1" "this" {
  metadata {
    name      = local.name
    namespace = kubernetes_namespace_v1.this.metadata[0].name
    labels    = local.labels
  }

  spec {
    selector = local.pods

    port {
      port        = local.port
      target_port = local.port
    }
  }
}
