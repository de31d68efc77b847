locals {
  # Each engine has its own words for the same things.
  engines = { for name, database in var.databases : name => lower(split("_", database.version)[0]) }
  ports   = { mysql = 3306, postgres = 5432 }
}

# One instance for each: a user of Cloud SQL may read all of its instance.
resource "google_sql_database_instance" "this" {
  for_each            = var.databases
  project             = var.project_id
  region              = var.region
  name                = "${var.name}-${each.key}"
  database_version    = each.value.version
  encryption_key_name = var.kms_key_id
  deletion_protection = var.deletion_protection # against Terraform

  settings {
    tier                        = each.value.tier
    edition                     = "ENTERPRISE"
    availability_type           = var.high_availability ? "REGIONAL" : "ZONAL"
    disk_size                   = each.value.disk_gb
    disk_autoresize             = true
    deletion_protection_enabled = var.deletion_protection # against everybody else
    retain_backups_on_delete    = true
    user_labels                 = merge(var.labels, { component = "sql", holds = each.key })

    ip_configuration {
      ipv4_enabled    = false
      private_network = var.network_id
      ssl_mode        = each.value.tls ? "ENCRYPTED_ONLY" : "ALLOW_UNENCRYPTED_AND_ENCRYPTED"
    }

    backup_configuration {
      enabled                        = true
      start_time                     = "02:00"
      location                       = var.region
      binary_log_enabled             = local.engines[each.key] == "mysql" ? true : null # MySQL's way back to any minute
      point_in_time_recovery_enabled = local.engines[each.key] == "postgres" ? true : null
      transaction_log_retention_days = 7

      backup_retention_settings {
        retained_backups = var.backups
      }
    }

    maintenance_window {
      day          = 7
      hour         = 3
      update_track = "stable"
    }

    dynamic "database_flags" {
      for_each = merge(local.flags[local.engines[each.key]], each.value.flags)

      content {
        name  = database_flags.key
        value = database_flags.value
      }
    }
  }

  lifecycle {
    ignore_changes = [settings[0].disk_size] # it grows by itself

    precondition {
      condition     = var.private_services_connection != ""
      error_message = "a private address requires the peering of the network: set private_services_connection."
    }
  }
}

resource "google_sql_database" "this" {
  for_each = var.databases
  project  = var.project_id
  instance = google_sql_database_instance.this[each.key].name
  name     = each.value.database
}

resource "random_password" "this" {
  for_each = var.databases
  length   = 32
  special  = false # it stands in URLs
}

resource "google_sql_user" "this" {
  for_each        = var.databases
  project         = var.project_id
  instance        = google_sql_database_instance.this[each.key].name
  name            = each.value.user
  password        = random_password.this[each.key].result
  deletion_policy = "ABANDON" # PostgreSQL does not drop a user that owns a table
}
