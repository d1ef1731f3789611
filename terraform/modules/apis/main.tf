# Disabling an API deletes what it manages, so destroying an environment leaves them on.
resource "google_project_service" "this" {
  for_each = var.apis

  project            = var.project_id
  service            = "${each.key}.googleapis.com"
  disable_on_destroy = false
}
