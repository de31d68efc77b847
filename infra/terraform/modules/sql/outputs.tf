output "hosts" {
  description = "The databases' private addresses, by what they hold."
  value       = { for name, instance in google_sql_database_instance.this : name => instance.private_ip_address }
}

output "ports" {
  description = "The databases' ports, by what they hold."
  value       = { for name, engine in local.engines : name => local.ports[engine] }
}

output "users" {
  description = "The databases' users, by what they hold."
  value       = { for name, user in google_sql_user.this : name => user.name }
}

output "names" {
  description = "The names of the databases in their instances, by what they hold."
  value       = { for name, database in google_sql_database.this : name => database.name }
}

output "passwords" {
  description = "The users' passwords, by what they hold. They go into Kubernetes secrets, and nowhere else."
  value       = { for name, password in random_password.this : name => password.result }
  sensitive   = true
}
