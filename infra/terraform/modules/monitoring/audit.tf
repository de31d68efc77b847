# Audit logs (who changed and read what) and task logs, in BigQuery.
locals {
  sinks = {
    audit     = "logName:\"cloudaudit.googleapis.com\""
    pipelines = "resource.type=\"k8s_container\" AND resource.labels.namespace_name=(\"kubeflow\" OR \"models\" OR \"mlflow\") OR resource.type=\"aiplatform.googleapis.com/PipelineJob\" OR resource.type=\"aiplatform.googleapis.com/Endpoint\""
  }
}

resource "google_project_iam_audit_config" "data" {
  for_each = var.audited_services
  project  = var.project_id
  service  = each.value

  dynamic "audit_log_config" {
    for_each = toset(["ADMIN_READ", "DATA_READ", "DATA_WRITE"])

    content {
      log_type = audit_log_config.value
    }
  }
}

resource "google_bigquery_dataset" "logs" {
  for_each                        = local.sinks
  project                         = var.project_id
  location                        = var.region
  dataset_id                      = replace("${var.name}_${each.key}", "-", "_")
  description                     = "Logs: ${each.key}."
  default_partition_expiration_ms = var.audit_retention_days * 86400000
  delete_contents_on_destroy      = false
  labels                          = local.labels

  dynamic "default_encryption_configuration" {
    for_each = var.kms_key_id == null ? [] : [var.kms_key_id]

    content {
      kms_key_name = default_encryption_configuration.value
    }
  }

  lifecycle {
    prevent_destroy = true
  }
}

resource "google_logging_project_sink" "logs" {
  for_each               = local.sinks
  project                = var.project_id
  name                   = "${var.name}-${each.key}"
  destination            = "bigquery.googleapis.com/${google_bigquery_dataset.logs[each.key].id}"
  filter                 = each.value
  unique_writer_identity = true

  bigquery_options {
    use_partitioned_tables = true
  }
}

# A sink writes into its own dataset, and no other.
resource "google_bigquery_dataset_iam_member" "sinks" {
  for_each   = local.sinks
  project    = var.project_id
  dataset_id = google_bigquery_dataset.logs[each.key].dataset_id
  role       = "roles/bigquery.dataEditor"
  member     = google_logging_project_sink.logs[each.key].writer_identity
}
