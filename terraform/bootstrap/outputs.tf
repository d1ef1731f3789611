output "deployer" {
  description = "E-mail address of the account that applies."
  value       = module.delivery.deployer
}

output "planner" {
  description = "E-mail address of the account that checks and plans."
  value       = module.delivery.planner
}

output "state_bucket" {
  description = "Bucket of Terraform's state; each environment's root names it as its backend."
  value       = google_storage_bucket.state.name
}

output "triggers" {
  description = "Names of the Cloud Build triggers, by what they do."
  value       = module.delivery.triggers
}
