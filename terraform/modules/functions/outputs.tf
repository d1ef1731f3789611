output "names" {
  description = "Folder → name of the function, and of its Cloud Run service."
  value       = { for name, function in google_cloudfunctions2_function.this : name => function.name }
}

output "uris" {
  description = "Folder → address of the function."
  value       = { for name, function in google_cloudfunctions2_function.this : name => function.service_config[0].uri }
}
