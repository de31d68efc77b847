mock_provider "google" {}

variables {
  project_id = "demo-project"
  region     = "europe-west4"
}

run "each_key_has_its_own_users" {
  command = plan

  variables {
    users = { storage = ["serviceAccount:service-1@gs-project-accounts.iam.gserviceaccount.com"] }
  }

  assert {
    condition     = toset(keys(google_kms_crypto_key.this)) == toset(["artifacts", "gke", "sql", "storage", "vertex"])
    error_message = "a key for each kind of data"
  }

  assert {
    condition     = alltrue([for key in google_kms_crypto_key.this : key.rotation_period == "7776000s"])
    error_message = "keys rotate every 90 days"
  }

  assert {
    condition     = length(google_kms_crypto_key_iam_member.users) == 1 && alltrue([for grant in google_kms_crypto_key_iam_member.users : grant.role == "roles/cloudkms.cryptoKeyEncrypterDecrypter"])
    error_message = "a user encrypts and decrypts with its key, and nothing more"
  }
}

run "people_use_no_keys" {
  command = plan

  variables {
    users = { storage = ["user:someone@example.com"] }
  }

  expect_failures = [var.users]
}
