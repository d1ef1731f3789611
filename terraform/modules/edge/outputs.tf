output "address" {
  description = "Address that an A record of the domain has to name. Null with Firebase Hosting."
  value       = local.balanced ? google_compute_global_address.this[0].address : null
}

output "backends" {
  description = "Names of the load balancer's backend services, for alerts and dashboards. Empty with Firebase Hosting."
  value       = { for key, backend in google_compute_backend_service.this : key => backend.name }
}

output "function_ingress" {
  description = "Ingress setting that the api and search functions must have, so that nothing goes round the front door where there is one with Cloud Armor."
  value       = local.balanced ? "ALLOW_INTERNAL_AND_GCLB" : "ALLOW_ALL"
}

output "host" {
  description = "Host name of page and /v1."
  value       = local.balanced ? var.domain : trimprefix(google_firebase_hosting_site.this[0].default_url, "https://")
}

output "security_policy" {
  description = "Name of the Cloud Armor policy. Null with Firebase Hosting."
  value       = local.balanced ? google_compute_security_policy.this[0].name : null
}

output "url" {
  description = "Address of the page; the API is at its /v1."
  value       = local.balanced ? "https://${var.domain}" : google_firebase_hosting_site.this[0].default_url
}
