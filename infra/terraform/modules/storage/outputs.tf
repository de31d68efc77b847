output "bucket_names" {
  description = "The names of the buckets, by content."
  value       = { for key, bucket in google_storage_bucket.this : key => bucket.name }
}

output "bucket_urls" {
  description = "The URLs of the buckets (gs://...), by content."
  value       = { for key, bucket in google_storage_bucket.this : key => "gs://${bucket.name}" }
}
