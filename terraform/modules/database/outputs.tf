output "connection_name" {
  description = "PROJECT:REGION:INSTANCE, as the Cloud SQL connectors want it."
  value       = "${var.project_id}:${var.region}:${google_sql_database_instance.this.name}"
}

output "database" {
  description = "Name of the database."
  value       = google_sql_database.this.name
}

output "instance" {
  description = "Name of the instance."
  value       = google_sql_database_instance.this.name
}
