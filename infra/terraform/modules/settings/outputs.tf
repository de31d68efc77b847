output "penstock_toml" {
  description = "The content of penstock.toml, which `penstock submit` reads."
  value       = local.toml
}

output "platform_settings" {
  description = "The platform settings, as YAML. Empty if there is no cluster."
  value       = join("", local.platform)
}
