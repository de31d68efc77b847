output "hosts" {
  description = "The private addresses of the databases, by content."
  value       = { for name, instance in google_sql_database_instance.this : name => instance.private_ip_address }
}

output "ports" {
  description = "The ports of the databases, by content."
  value       = { for name, engine in local.engines : name => local.ports[engine] }
}

output "users" {
  description = "The users of the databases, by content."
  value       = { for name, user in google_sql_user.this : name => user.name }
}

output "names" {
  description = "The names of the databases in their instances, by content."
  value       = { for name, database in google_sql_database.this : name => database.name }
}

output "passwords" {
  description = "The passwords of the users of the databases, by content. They are stored only in Kubernetes secrets."
  value       = { for name, password in random_password.this : name => password.result }
  sensitive   = true
}
