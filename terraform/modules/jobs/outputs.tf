output "names" {
  description = "Name → name of the Cloud Run job."
  value       = { for name, job in google_cloud_run_v2_job.this : name => job.name }
}
