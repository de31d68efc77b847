output "names" {
  description = "The names of the policies."
  value = sort(concat(
    [kubernetes_network_policy_v1.deny.metadata[0].name, kubernetes_network_policy_v1.own.metadata[0].name],
    [for policy in values(kubernetes_network_policy_v1.ingress) : policy.metadata[0].name],
    [for policy in values(kubernetes_network_policy_v1.egress) : policy.metadata[0].name],
  ))
}
