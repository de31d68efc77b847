# What each server writes down, and what it does not do.
locals {
  flags = {
    mysql = {
      local_infile = "off"
    }
    postgres = {
      "cloudsql.enable_pgaudit"  = "on"
      log_checkpoints            = "on"
      log_connections            = "on"
      log_disconnections         = "on"
      log_duration               = "on"
      log_hostname               = "on"
      log_lock_waits             = "on"
      log_min_duration_statement = "-1"
      log_min_error_statement    = "error"
      log_min_messages           = "error"
      log_statement              = "ddl"
      log_temp_files             = "0"
    }
  }
}
