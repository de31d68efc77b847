# Policies add up: this one lets nothing through, each of the others one thing.
resource "kubernetes_network_policy_v1" "deny" {
  metadata {
    name      = "penstock-deny"
    namespace = var.namespace
    labels    = var.labels
  }

  spec {
    policy_types = ["Ingress", "Egress"]

    pod_selector {}
  }
}

# Among themselves the pods of a namespace may talk, and everybody asks for names (by UDP, or TCP for long answers).
resource "kubernetes_network_policy_v1" "own" {
  metadata {
    name      = "penstock-own"
    namespace = var.namespace
    labels    = var.labels
  }

  spec {
    policy_types = ["Ingress", "Egress"]

    pod_selector {}

    ingress {
      from {
        pod_selector {}
      }
    }

    egress {
      to {
        pod_selector {}
      }
    }

    egress {
      dynamic "ports" {
        for_each = toset(["UDP", "TCP"])

        content {
          port     = "53"
          protocol = ports.value
        }
      }
    }
  }
}

resource "kubernetes_network_policy_v1" "ingress" {
  for_each = var.ingress

  metadata {
    name      = "penstock-from-${each.key}"
    namespace = var.namespace
    labels    = var.labels
  }

  spec {
    policy_types = ["Ingress"]

    pod_selector {
      match_labels = each.value.pods
    }

    ingress {
      dynamic "from" {
        for_each = each.value.namespaces == null ? [] : [each.value.namespaces]

        content {
          namespace_selector {
            match_expressions {
              key      = "kubernetes.io/metadata.name"
              operator = "In"
              values   = from.value
            }
          }
        }
      }

      dynamic "ports" {
        for_each = each.value.ports

        content {
          port     = tostring(ports.value)
          protocol = "TCP"
        }
      }
    }
  }
}

resource "kubernetes_network_policy_v1" "egress" {
  for_each = var.egress

  metadata {
    name      = "penstock-to-${each.key}"
    namespace = var.namespace
    labels    = var.labels
  }

  spec {
    policy_types = ["Egress"]

    pod_selector {
      match_labels = each.value.pods
    }

    egress {
      dynamic "to" {
        for_each = each.value.namespaces == null ? [] : [each.value.namespaces]

        content {
          namespace_selector {
            match_expressions {
              key      = "kubernetes.io/metadata.name"
              operator = "In"
              values   = to.value
            }
          }
        }
      }

      dynamic "to" {
        for_each = each.value.cidr[*]

        content {
          ip_block {
            cidr = to.value
          }
        }
      }

      dynamic "ports" {
        for_each = each.value.ports

        content {
          port     = tostring(ports.value)
          protocol = "TCP"
        }
      }
    }
  }
}
