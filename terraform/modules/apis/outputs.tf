output "enabled" {
  description = "The APIs, for whoever has to wait for them."
  value       = [for api in google_project_service.this : api.service]
}
