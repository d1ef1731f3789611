output "heimdex" {
  description = "Names and addresses of everything, for people, releases and runbooks."
  value       = module.heimdex
}
