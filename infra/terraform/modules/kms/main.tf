locals {
  grants = merge([for key, members in var.users : { for member in members : "${key} ${member}" => { key = key, member = member } }]...)
}

resource "google_kms_key_ring" "this" {
  project  = var.project_id
  name     = "${var.name}-keys"
  location = var.region
}

resource "google_kms_crypto_key" "this" {
  for_each        = var.keys
  name            = "${var.name}-${each.key}"
  key_ring        = google_kms_key_ring.this.id
  rotation_period = "${var.rotation_days * 86400}s"
  labels          = merge(var.labels, { component = "kms" })

  lifecycle {
    prevent_destroy = true # what it has encrypted would be lost
  }
}

resource "google_kms_crypto_key_iam_member" "users" {
  for_each      = local.grants
  crypto_key_id = google_kms_crypto_key.this[each.value.key].id
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = each.value.member
}
