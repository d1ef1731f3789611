output "buckets" {
  description = "What it holds → name of the bucket."
  value       = module.storage.names
}

output "database" {
  description = "Connection name of the instance, and name of the database."
  value       = { connection_name = module.database.connection_name, database = module.database.database }
}

output "front_door" {
  description = "Address of page and API, and what the domain's A record has to name (null without a domain)."
  value       = { address = module.edge.address, url = module.edge.url }
}

output "functions" {
  description = "Folder → name and address of the function."
  value = {
    for folder, name in module.functions.names : folder => { name = name, uri = module.functions.uris[folder] }
  }
}

output "jobs" {
  description = "Name → Cloud Run job, and its region."
  value       = { for key, name in module.jobs.names : key => { name = name, region = local.jobs[key].region } }
}

output "registries" {
  description = "Name → prefix of images' names."
  value       = module.registry.urls
}

output "secrets" {
  description = "Name → id of a secret, for whoever adds its value."
  value       = module.secrets.ids
}

output "service_accounts" {
  description = "Unit or helper → address of its service account."
  value       = module.identity.emails
}
