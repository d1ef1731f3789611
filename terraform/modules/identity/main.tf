locals {
  domain = "${var.project_id}.iam.gserviceaccount.com"

  # From the arguments, not from what the API answers, so that a plan shows whole members.
  emails = {
    for name, account in google_service_account.unit : name => "${account.account_id}@${local.domain}"
  }
  roles = {
    for name, role in google_project_iam_custom_role.this : name => "projects/${var.project_id}/roles/${role.role_id}"
  }
}

resource "google_service_account" "unit" {
  for_each = var.accounts

  project      = var.project_id
  account_id   = "heimdex-${replace(each.key, "_", "-")}"
  display_name = "Heimdex ${replace(each.key, "_", " ")}"
  description  = each.value
}

# For what no predefined role is narrow enough for.
resource "google_project_iam_custom_role" "this" {
  for_each = var.custom_roles

  project     = var.project_id
  role_id     = "heimdex.${each.key}"
  title       = "Heimdex ${each.key}"
  description = each.value.description
  permissions = each.value.permissions
}

# On one service account: to sign as it. Authoritative: nobody else may.
resource "google_service_account_iam_binding" "this" {
  for_each = { for grant in values(var.account_grants) : "${grant.account} ${grant.role}" => grant... }

  service_account_id = "projects/${var.project_id}/serviceAccounts/${local.emails[each.value[0].account]}"
  role               = each.value[0].role
  members            = each.value[*].member
}

# On the project, because these roles can be granted nowhere else. A condition narrows what can be.
resource "google_project_iam_member" "this" {
  for_each = var.project_grants

  project = var.project_id
  role    = each.value.role
  member  = each.value.member

  dynamic "condition" {
    for_each = each.value.condition == null ? [] : [each.value.condition]

    content {
      title       = condition.value.title
      description = condition.value.description
      expression  = condition.value.expression
    }
  }
}
