output "deployer" {
  description = "E-mail address of the account that applies."
  value       = google_service_account.deployer.email
}

output "planner" {
  description = "E-mail address of the account that checks and plans."
  value       = google_service_account.planner.email
}

output "triggers" {
  description = "Names of the Cloud Build triggers, by what they do. Empty without a repository."
  value       = { for key, trigger in google_cloudbuild_trigger.this : key => trigger.name }
}
