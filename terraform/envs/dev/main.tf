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

  authorized_domains  = concat(["localhost"], var.authorized_domains)
  deletion_protection = var.deletion_protection

  api      = { max_instances = 5 }
  database = { tier = var.database_tier, disk_gb = 10, disk_limit_gb = 100 }
  search   = var.search
}
