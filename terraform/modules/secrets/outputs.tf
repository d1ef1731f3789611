output "ids" {
  description = "Name → short id of the secret; known once those who read it may."
  value       = { for name, secret in google_secret_manager_secret.this : name => secret.secret_id }
  depends_on  = [google_secret_manager_secret_iam_binding.readers]
}
