output "names" {
  description = "What it holds → name of the bucket."
  value       = { for holds, bucket in google_storage_bucket.this : holds => bucket.name }
}
