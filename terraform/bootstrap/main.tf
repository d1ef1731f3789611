# What has to be there before anything else: the APIs that Terraform itself calls, the bucket of its
# state, and the identities and triggers that deploy. Applied by a person, once per environment; the
# deployer cannot change its own rights, as those are not in a state that it applies.

locals {
  # All others are enabled by the environment itself.
  apis = toset([
    "cloudbuild.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "iam.googleapis.com",
    "serviceusage.googleapis.com",
    "storage.googleapis.com",
  ])
}

resource "google_project_service" "this" {
  for_each = local.apis

  project            = var.project_id
  service            = each.value
  disable_on_destroy = false
}

resource "google_storage_bucket" "state" {
  # checkov:skip=CKV_GCP_62: two accounts read it, in builds whose logs say so.
  project  = var.project_id
  name     = coalesce(var.state_bucket, "${var.project_id}-terraform-state")
  location = var.region

  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  # Never deleted with something in it; and no state is lost by overwriting.
  force_destroy = false

  versioning {
    enabled = true
  }

  # An overwritten or deleted version stays for ninety days, whoever deleted it.
  soft_delete_policy {
    retention_duration_seconds = 7776000
  }

  lifecycle_rule {
    condition {
      num_newer_versions         = 50
      days_since_noncurrent_time = 365
    }
    action {
      type = "Delete"
    }
  }

  lifecycle {
    prevent_destroy = true
  }

  depends_on = [google_project_service.this]
}

module "delivery" {
  source = "../modules/delivery"

  project_id           = var.project_id
  region               = var.region
  environment          = var.environment
  branch               = coalesce(var.branch, var.environment)
  state_bucket         = google_storage_bucket.state.name
  repository           = var.repository
  approval_required    = var.approval_required
  check_other_branches = var.check_other_branches
  substitutions        = var.substitutions

  depends_on = [google_project_service.this]
}
