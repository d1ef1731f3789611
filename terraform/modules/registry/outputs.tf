output "ids" {
  description = "Name → id of the repository, as Cloud Functions wants it."
  value       = { for name, repository in google_artifact_registry_repository.this : name => repository.id }
}

output "urls" {
  description = "Name → prefix of its images' names."
  value = {
    for name, repository in google_artifact_registry_repository.this :
    name => "${repository.location}-docker.pkg.dev/${var.project_id}/${repository.repository_id}"
  }
}
