module "heimdex" {
  source = "../../modules/environment"

  project_id       = var.project_id
  region           = var.region
  gpu_region       = var.gpu_region
  profile          = var.profile
  function_sources = var.function_sources
  job_image        = var.job_image
  operators        = var.operators
  settings         = var.settings
  web_origins      = var.web_origins

  authorized_domains  = concat(["localhost"], var.authorized_domains)
  deletion_protection = var.deletion_protection
  # One host in front is Firebase Hosting, which comes from the internet.
  public_ingress = "ALLOW_ALL"

  database = { tier = var.database_tier, disk_gb = 10, disk_limit_gb = 100 }
  search   = var.search
}
