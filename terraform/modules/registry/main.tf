resource "google_artifact_registry_repository" "this" {
  # checkov:skip=CKV_GCP_84: images hold our code, which is public; Google's own keys are enough for it.
  for_each = var.repositories

  project       = var.project_id
  location      = each.value.location
  repository_id = "heimdex-${each.key}"
  description   = each.value.description
  format        = "DOCKER"

  docker_config {
    immutable_tags = each.value.immutable_tags
  }

  cleanup_policies {
    id     = "keep-recent"
    action = "KEEP"

    most_recent_versions {
      keep_count = var.keep_count
    }
  }

  cleanup_policies {
    id     = "delete-old"
    action = "DELETE"

    condition {
      older_than = "${var.keep_days * 24 * 3600}s"
      tag_state  = "ANY"
    }
  }
}

# Authoritative for each role.
resource "google_artifact_registry_repository_iam_binding" "this" {
  for_each = { for grant in values(var.grants) : "${grant.repository} ${grant.role}" => grant... }

  project    = var.project_id
  location   = google_artifact_registry_repository.this[each.value[0].repository].location
  repository = google_artifact_registry_repository.this[each.value[0].repository].repository_id
  role       = each.value[0].role
  members    = each.value[*].member
}
