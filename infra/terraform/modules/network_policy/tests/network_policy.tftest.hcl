mock_provider "kubernetes" {}

variables {
  namespace = "models"
  ingress   = { gateway = { namespaces = ["envoy-gateway-system"], ports = [8080] }, webhook = { pods = { app = "cache-server" }, ports = [8443] } }
  egress    = { buckets = { ports = [443] }, metadata = { cidr = "169.254.169.254/32", ports = [80] } }
}

run "nothing_is_open_that_is_not_said" {
  command = plan

  assert {
    condition = (
      toset(one(kubernetes_network_policy_v1.deny.spec).policy_types) == toset(["Ingress", "Egress"]) && length(one(kubernetes_network_policy_v1.deny.spec).ingress) == 0 &&
      length(one(kubernetes_network_policy_v1.deny.spec).egress) == 0 && length(coalesce(one(one(kubernetes_network_policy_v1.deny.spec).pod_selector).match_labels, {})) == 0
    )
    error_message = "every pod is shut in both directions"
  }

  assert {
    condition     = join(" ", output.names) == "penstock-deny penstock-from-gateway penstock-from-webhook penstock-own penstock-to-buckets penstock-to-metadata"
    error_message = "each opening is a policy of its own, named after what it is for"
  }

  assert {
    condition     = one(one(one(one(one(one(kubernetes_network_policy_v1.ingress["gateway"].spec).ingress).from).namespace_selector).match_expressions).values) == "envoy-gateway-system" && one(one(one(kubernetes_network_policy_v1.ingress["gateway"].spec).ingress).ports).port == "8080"
    error_message = "a namespace is let in to its port"
  }

  assert {
    condition     = length(one(one(kubernetes_network_policy_v1.ingress["webhook"].spec).ingress).from) == 0 && one(one(kubernetes_network_policy_v1.ingress["webhook"].spec).pod_selector).match_labels == tomap({ app = "cache-server" })
    error_message = "anybody means anybody, for these pods only"
  }

  assert {
    condition     = one(one(one(one(kubernetes_network_policy_v1.egress["metadata"].spec).egress).to).ip_block).cidr == "169.254.169.254/32"
    error_message = "addresses are named as such"
  }

  assert {
    condition     = toset([for port in one([for rule in one(kubernetes_network_policy_v1.own.spec).egress : rule if length(rule.to) == 0]).ports : "${port.protocol} ${port.port}"]) == toset(["UDP 53", "TCP 53"])
    error_message = "names can be asked for"
  }
}

run "either_namespaces_or_addresses" {
  command = plan

  variables {
    egress = { both = { namespaces = ["kubeflow"], cidr = "10.0.0.0/8" } }
  }

  expect_failures = [var.egress]
}
