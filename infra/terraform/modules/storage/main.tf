locals {
  grants = merge(flatten([
    for bucket, roles in var.access : [
      for role, members in roles : { for member in members : "${bucket} ${role} ${member}" => { bucket = bucket, role = role, member = member } }
    ]
  ])...)
}

resource "google_storage_bucket" "this" {
  for_each                    = var.buckets
  project                     = var.project_id
  name                        = "${var.project_id}-${var.name}-${each.key}"
  location                    = var.region
  storage_class               = each.value.storage_class
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false
  labels                      = merge(var.labels, { component = "storage", holds = each.key })

  versioning {
    enabled = each.value.retention_days == null # a bucket has either
  }

  lifecycle_rule {
    condition {
      days_since_noncurrent_time = each.value.noncurrent_days
    }

    action {
      type = "Delete"
    }
  }

  lifecycle_rule {
    condition {
      age = 7
    }

    action {
      type = "AbortIncompleteMultipartUpload"
    }
  }

  dynamic "lifecycle_rule" {
    for_each = {
      for days, action in {
        coldline = each.value.coldline_after_days == null ? null : { age = each.value.coldline_after_days, type = "SetStorageClass", class = "COLDLINE" }
        delete   = each.value.delete_after_days == null ? null : { age = each.value.delete_after_days, type = "Delete", class = null }
      } : days => action if action != null
    }

    content {
      condition {
        age = lifecycle_rule.value.age
      }

      action {
        type          = lifecycle_rule.value.type
        storage_class = lifecycle_rule.value.class
      }
    }
  }

  dynamic "retention_policy" {
    for_each = each.value.retention_days == null ? [] : [each.value.retention_days]

    content {
      retention_period = retention_policy.value * 86400
    }
  }

  dynamic "encryption" {
    for_each = var.kms_key_id == null ? [] : [var.kms_key_id]

    content {
      default_kms_key_name = encryption.value
    }
  }

  dynamic "logging" {
    for_each = contains(keys(var.buckets), "logs") && each.key != "logs" ? ["${var.project_id}-${var.name}-logs"] : []

    content {
      log_bucket = logging.value
    }
  }

  lifecycle {
    prevent_destroy = true
  }
}

resource "google_storage_bucket_iam_member" "access" {
  for_each = local.grants
  bucket   = google_storage_bucket.this[each.value.bucket].name
  role     = each.value.role
  member   = each.value.member
}
