mock_provider "google" {}

mock_provider "random" {}

variables {
  project_id                  = "demo-project"
  region                      = "europe-west4"
  network_id                  = "projects/demo-project/global/networks/penstock-network"
  private_services_connection = "projects/demo-project/global/networks/penstock-network:servicenetworking.googleapis.com"

  databases = {
    kubeflow = { version = "MYSQL_8_4", database = "mlpipeline", tls = false }
    mlflow   = { version = "POSTGRES_17", database = "mlflow" }
  }
}

run "private_protected_and_backed_up" {
  command = plan

  assert {
    condition     = alltrue([for instance in google_sql_database_instance.this : one(one(instance.settings).ip_configuration).ipv4_enabled == false && one(one(instance.settings).ip_configuration).private_network == var.network_id])
    error_message = "databases have no public address"
  }

  assert {
    condition     = alltrue([for instance in google_sql_database_instance.this : instance.deletion_protection && one(instance.settings).deletion_protection_enabled])
    error_message = "neither Terraform nor anybody else deletes them"
  }

  assert {
    condition     = alltrue([for instance in google_sql_database_instance.this : one(one(instance.settings).backup_configuration).enabled && one(one(one(instance.settings).backup_configuration).backup_retention_settings).retained_backups == 14])
    error_message = "a backup of every day is kept for two weeks"
  }

  assert {
    condition     = one(one(google_sql_database_instance.this["kubeflow"].settings).backup_configuration).binary_log_enabled && one(one(google_sql_database_instance.this["mlflow"].settings).backup_configuration).point_in_time_recovery_enabled
    error_message = "each engine goes back to any minute, in its own way"
  }

  assert {
    condition     = { for name, instance in google_sql_database_instance.this : name => one(one(instance.settings).ip_configuration).ssl_mode } == { kubeflow = "ALLOW_UNENCRYPTED_AND_ENCRYPTED", mlflow = "ENCRYPTED_ONLY" }
    error_message = "only who cannot encrypt may do without"
  }

  assert {
    condition     = output.ports == { kubeflow = 3306, mlflow = 5432 } && output.names == { kubeflow = "mlpipeline", mlflow = "mlflow" }
    error_message = "ports and names are the engines' and the variable's"
  }

  assert {
    condition     = alltrue([for password in random_password.this : password.length == 32])
    error_message = "nobody guesses a password"
  }

  assert {
    condition     = { for flag in one(google_sql_database_instance.this["kubeflow"].settings).database_flags : flag.name => flag.value }["local_infile"] == "off"
    error_message = "MySQL reads no files of its clients"
  }
}

run "one_key_encrypts_all_of_them" {
  command = plan

  variables {
    kms_key_id = "projects/demo-project/locations/europe-west4/keyRings/penstock-keys/cryptoKeys/penstock-sql"
  }

  assert {
    condition     = alltrue([for instance in google_sql_database_instance.this : instance.encryption_key_name == var.kms_key_id])
    error_message = "databases and backups are encrypted with the given key"
  }
}

run "a_second_zone_takes_over_where_it_is_asked_for" {
  command = plan

  variables {
    high_availability = true
  }

  assert {
    condition     = alltrue([for instance in google_sql_database_instance.this : one(instance.settings).availability_type == "REGIONAL"])
    error_message = "both have a second machine"
  }
}

run "an_unknown_engine_is_refused" {
  command = plan

  variables {
    databases = { kubeflow = { version = "SQLSERVER_2022_STANDARD", database = "mlpipeline" } }
  }

  expect_failures = [var.databases]
}

run "too_few_backups_are_refused" {
  command = plan

  variables {
    backups = 1
  }

  expect_failures = [var.backups]
}
