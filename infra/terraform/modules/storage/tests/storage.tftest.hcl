mock_provider "google" {}

variables {
  project_id = "demo-project"
  region     = "europe-west4"
}

run "nothing_is_public_and_everything_is_kept" {
  command = plan

  assert {
    condition     = alltrue([for bucket in google_storage_bucket.this : bucket.public_access_prevention == "enforced" && bucket.uniform_bucket_level_access])
    error_message = "no bucket may become public"
  }

  assert {
    condition     = alltrue([for bucket in google_storage_bucket.this : bucket.force_destroy == false])
    error_message = "no bucket goes with its objects"
  }

  assert {
    condition     = alltrue([for key, bucket in google_storage_bucket.this : one(bucket.versioning).enabled == (key != "logs")])
    error_message = "overwritten objects come back, except where a retention policy forbids overwriting"
  }

  assert {
    condition     = one(google_storage_bucket.this["logs"].retention_policy).retention_period == 2592000
    error_message = "logs cannot be deleted for 30 days"
  }

  assert {
    condition     = google_storage_bucket.this["artifacts"].name == "demo-project-penstock-artifacts"
    error_message = "names are unique in the world by the project"
  }

  assert {
    condition     = one(google_storage_bucket.this["artifacts"].logging).log_bucket == "demo-project-penstock-logs" && length(google_storage_bucket.this["logs"].logging) == 0
    error_message = "access is logged, in the logs' bucket"
  }
}

run "one_key_encrypts_all_of_them" {
  command = plan

  variables {
    kms_key_id = "projects/demo-project/locations/europe-west4/keyRings/penstock-keys/cryptoKeys/penstock-storage"
  }

  assert {
    condition     = alltrue([for bucket in google_storage_bucket.this : one(bucket.encryption).default_kms_key_name == var.kms_key_id])
    error_message = "every bucket is encrypted with the given key"
  }
}

run "public_access_is_refused" {
  command = plan

  variables {
    access = { artifacts = { "roles/storage.objectViewer" = ["allUsers"] } }
  }

  expect_failures = [var.access]
}
