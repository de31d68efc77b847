output "penstock_toml" {
  description = "penstock.toml: what `penstock submit` reads."
  value       = local.toml
}

output "platform_settings" {
  description = "The settings of the platform document, YAML. Empty where there is no Kubernetes."
  value       = join("", local.platform)
}
