output "database_users" {
  description = "Name → its login in Postgres: an IAM service account without the last part of its address."
  value       = { for name, email in local.emails : name => trimsuffix(email, ".gserviceaccount.com") }
}

output "emails" {
  description = "Name → address of the service account."
  value       = local.emails
}

output "members" {
  description = "Name → the service account as a member of a grant."
  value       = { for name, email in local.emails : name => "serviceAccount:${email}" }
}

output "roles" {
  description = "Name of a custom role → its id in a grant."
  value       = local.roles
}
