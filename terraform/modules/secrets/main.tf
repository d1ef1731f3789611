# Only the place. A value in the configuration would be in the state, readable for whoever reads
# that; so people or a build add versions, and no state ever has one.
resource "google_secret_manager_secret" "this" {
  for_each = var.secrets

  project             = var.project_id
  secret_id           = "heimdex-${replace(each.key, "_", "-")}"
  annotations         = { what = each.value }
  deletion_protection = var.deletion_protection

  replication {
    user_managed {
      replicas {
        location = var.region
      }
    }
  }
}

# Authoritative: nobody else reads it.
resource "google_secret_manager_secret_iam_binding" "readers" {
  for_each = { for grant in values(var.readers) : grant.secret => grant.member... }

  project   = var.project_id
  secret_id = google_secret_manager_secret.this[each.key].secret_id
  role      = "roles/secretmanager.secretAccessor"
  members   = each.value
}
