output "key_ids" {
  description = "The keys, by purpose. They are usable after access has been granted to their users."
  value       = { for name, key in google_kms_crypto_key.this : name => key.id }
  depends_on  = [google_kms_crypto_key_iam_member.users]
}
