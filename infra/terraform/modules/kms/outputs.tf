output "key_ids" {
  description = "The keys, by what they are for. They can be used once their users are granted them."
  value       = { for name, key in google_kms_crypto_key.this : name => key.id }
  depends_on  = [google_kms_crypto_key_iam_member.users]
}
