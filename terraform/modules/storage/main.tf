# Erasure has to be real: when somebody deletes a video or an account, the objects must be gone, not
# kept for a week. So for what belongs to users soft delete is off (0), stated because Google's
# default is seven days, and there are no old versions. What people delete by mistake is gone too;
# what we delete by mistake, too: hence nobody but the erasing unit and the writers may delete.
resource "google_storage_bucket" "this" {
  # checkov:skip=CKV_GCP_62: a list of who read what would be one more record of people; units log what they do.
  # checkov:skip=CKV_GCP_78: versions would keep what users have erased; see above.
  for_each = var.buckets

  project                     = var.project_id
  name                        = each.value.name
  location                    = each.value.location
  storage_class               = "STANDARD"
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = var.force_destroy
  labels                      = { holds = each.key }

  soft_delete_policy {
    retention_duration_seconds = each.value.soft_delete_days * 24 * 3600
  }

  versioning {
    enabled = each.value.versioning
  }

  # Parts of uploads that nobody finished can be seen by no listing, and are paid for.
  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }

    condition {
      age = 1
    }
  }

  dynamic "lifecycle_rule" {
    for_each = each.value.delete_after

    content {
      action {
        type = "Delete"
      }

      condition {
        age            = lifecycle_rule.value
        matches_prefix = [lifecycle_rule.key]
        with_state     = "ANY"
      }
    }
  }

  dynamic "lifecycle_rule" {
    for_each = each.value.versioning ? [1] : []

    content {
      action {
        type = "Delete"
      }

      condition {
        days_since_noncurrent_time = 30
        with_state                 = "ARCHIVED"
      }
    }
  }

  dynamic "cors" {
    for_each = length(each.value.cors_methods) > 0 && length(var.web_origins) > 0 ? [1] : []

    content {
      origin          = var.web_origins
      method          = each.value.cors_methods
      response_header = var.cors_headers
      max_age_seconds = 3600
    }
  }
}

# Authoritative for each role: whoever is added by hand is gone after the next apply.
resource "google_storage_bucket_iam_binding" "this" {
  for_each = {
    for grant in values(var.grants) :
    join(" ", compact([grant.bucket, grant.role, try(grant.condition.title, "")])) => grant...
  }

  bucket  = google_storage_bucket.this[each.value[0].bucket].name
  role    = each.value[0].role
  members = each.value[*].member

  dynamic "condition" {
    for_each = each.value[0].condition[*]

    content {
      title       = condition.value.title
      description = condition.value.description
      expression  = condition.value.expression
    }
  }
}
