module "heimdex" {
  source = "../../modules/environment"

  project_id          = var.project_id
  region              = var.region
  gpu_region          = var.gpu_region
  profile             = var.profile
  budget              = var.budget
  domain              = var.domain
  function_sources    = var.function_sources
  job_image           = var.job_image
  notification_emails = var.notification_emails
  operators           = var.operators
  runbook_base_url    = var.runbook_base_url
  settings            = var.settings
  web_origins         = var.web_origins

  authorized_domains  = var.authorized_domains
  deletion_protection = var.deletion_protection

  api      = { min_instances = 1, max_instances = 20 }
  database = { tier = var.database_tier, disk_gb = 50, high_availability = true, max_connections = 400, maintenance_track = "week5" }
  search   = var.search
}
