# Two identities. What any branch can run is the planner, which reads and holds no secret; what
# changes the environment is the deployer, which only the environment's branch gets to be.

resource "google_service_account" "planner" {
  project      = var.project_id
  account_id   = "${var.name}-planner"
  display_name = "Checks and plans of every branch"
  description  = "Reads the environment. Changes nothing, reads no object but Terraform's state, and no secret."
}

resource "google_service_account" "deployer" {
  project      = var.project_id
  account_id   = "${var.name}-deployer"
  display_name = "Deployments of branch ${var.branch}"
  description  = "Makes and changes what Terraform describes. Only builds of the environment's branch run as it."
}

locals {
  # What `terraform plan` reads, service by service, instead of the basic role viewer.
  planner_roles = toset([
    "roles/artifactregistry.reader",
    "roles/browser",
    "roles/cloudfunctions.viewer",
    "roles/cloudscheduler.viewer",
    "roles/cloudsql.viewer",
    "roles/compute.viewer",
    "roles/eventarc.viewer",
    "roles/firebasehosting.viewer",
    "roles/iam.roleViewer",
    "roles/iam.securityReviewer",
    "roles/iam.serviceAccountViewer",
    "roles/identityplatform.viewer",
    "roles/logging.logWriter", # its own build's log
    "roles/monitoring.viewer",
    "roles/pubsub.viewer",
    "roles/run.viewer",
    "roles/secretmanager.viewer", # names, never values
    "roles/serviceusage.serviceUsageViewer",
    "roles/storage.bucketViewer",
    "roles/vpcaccess.viewer",
  ])

  # What the modules make, service by service, instead of the basic role editor.
  deployer_roles = toset([
    "roles/artifactregistry.admin",
    "roles/browser",
    "roles/cloudfunctions.admin",
    "roles/cloudscheduler.admin",
    "roles/cloudsql.admin",
    "roles/compute.loadBalancerAdmin",
    "roles/compute.networkAdmin",
    "roles/compute.securityAdmin",
    "roles/eventarc.admin",
    "roles/firebasehosting.admin",
    "roles/iam.roleAdmin",
    "roles/iam.serviceAccountAdmin",
    "roles/iam.serviceAccountUser", # to attach the units' accounts
    "roles/identityplatform.admin",
    "roles/logging.configWriter",
    "roles/logging.logWriter",
    "roles/monitoring.editor",
    "roles/ondemandscanning.admin", # to scan images
    "roles/pubsub.admin",
    "roles/run.admin",
    "roles/secretmanager.admin",
    "roles/servicenetworking.networksAdmin",
    "roles/serviceusage.serviceUsageAdmin",
    "roles/storage.admin",
    "roles/vpcaccess.admin",
  ])

  delegable_roles = [
    for role in sort(var.delegable_roles) : startswith(role, "heimdex.") ? "projects/${var.project_id}/roles/${role}" : role
  ]
}

resource "google_project_iam_member" "planner" {
  for_each = local.planner_roles

  project = var.project_id
  role    = each.value
  member  = google_service_account.planner.member
}

resource "google_project_iam_member" "deployer" {
  # checkov:skip=CKV_GCP_41: it attaches accounts that it makes itself, so no list of them can be there before.
  # checkov:skip=CKV_GCP_49: the same; whoever deploys everything decides what runs as whom.
  for_each = local.deployer_roles

  project = var.project_id
  role    = each.value
  member  = google_service_account.deployer.member
}

# The units need a few roles that exist on projects only. The deployer may pass on these and no other,
# so it cannot make itself owner this way.
resource "google_project_iam_member" "deployer_grants" {
  project = var.project_id
  role    = "roles/resourcemanager.projectIamAdmin"
  member  = google_service_account.deployer.member

  condition {
    title       = "only-the-units-roles"
    description = "Grants of these roles only."
    expression  = "api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', []).hasOnly([${join(", ", [for role in local.delegable_roles : "'${role}'"])}])"
  }
}

resource "google_storage_bucket_iam_member" "state" {
  for_each = {
    planner  = { role = "roles/storage.objectViewer", member = google_service_account.planner.member }
    deployer = { role = "roles/storage.objectUser", member = google_service_account.deployer.member }
  }

  bucket = var.state_bucket
  role   = each.value.role
  member = each.value.member
}
