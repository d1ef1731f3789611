locals {
  triggers = var.repository == null ? {} : merge(
    {
      deploy = {
        description = "Checks, plans and applies ${var.branch} to ${var.environment}"
        account     = google_service_account.deployer.id
        invert      = false
        apply       = "true"
      }
    },
    var.check_other_branches ? {
      check = {
        description = "Checks every other branch and plans it for ${var.environment}"
        account     = google_service_account.planner.id
        invert      = true
        apply       = "false"
      }
    } : {},
  )
}

resource "google_cloudbuild_trigger" "this" {
  for_each = local.triggers

  project         = var.project_id
  location        = var.region
  name            = "${var.name}-${each.key}-${var.environment}"
  description     = each.value.description
  filename        = "cloudbuild.yaml"
  service_account = each.value.account

  repository_event_config {
    repository = var.repository

    push {
      branch       = "^${var.branch}$"
      invert_regex = each.value.invert
    }
  }

  substitutions = merge(var.substitutions, {
    _APPLY        = each.value.apply
    _ENVIRONMENT  = var.environment
    _REGION       = var.region
    _STATE_BUCKET = var.state_bucket
  })

  approval_config {
    approval_required = each.key == "deploy" && var.approval_required
  }

  depends_on = [
    google_project_iam_member.deployer,
    google_project_iam_member.deployer_grants,
    google_project_iam_member.planner,
    google_storage_bucket_iam_member.state,
  ]
}
