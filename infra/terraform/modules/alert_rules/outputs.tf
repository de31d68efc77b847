output "groups" {
  description = "The groups of rules, as Prometheus, its operator and Google's managed service take them."
  value       = local.groups
}

output "alerts" {
  description = "The alerts by name."
  value       = { for rule in flatten(local.groups[*].rules) : rule.alert => rule }
}
