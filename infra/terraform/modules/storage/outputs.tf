output "bucket_names" {
  description = "The buckets' names, by what they hold."
  value       = { for key, bucket in google_storage_bucket.this : key => bucket.name }
}

output "bucket_urls" {
  description = "The buckets' URLs (gs://...), by what they hold."
  value       = { for key, bucket in google_storage_bucket.this : key => "gs://${bucket.name}" }
}
