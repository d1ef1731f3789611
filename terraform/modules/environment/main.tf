# The whole of an environment: every module once. What differs between environments are variables.
data "google_project" "this" {
  project_id = var.project_id
}

# Asking for it makes it, in a project that is new.
data "google_storage_project_service_account" "this" {
  project = var.project_id
}

# In a new project these agents are made when first needed, which is too late to be granted something.
resource "google_project_service_identity" "agents" {
  for_each = toset(["eventarc", "pubsub"])
  provider = google-beta

  project = var.project_id
  service = "${each.key}.googleapis.com"

  depends_on = [module.apis]
}

module "apis" {
  source = "../apis"

  project_id = var.project_id
}

module "network" {
  source = "../network"

  project_id = var.project_id
  region     = var.region
  subnets    = merge({ (local.lane_regions.gpu) = "10.0.1.0/24" }, { (var.region) = "10.0.0.0/24" })

  depends_on = [module.apis]
}

module "identity" {
  source = "../identity"

  project_id         = var.project_id
  accounts           = merge({ for unit, facts in local.units : unit => facts.purpose }, local.helpers)
  account_grants     = local.account_grants
  authorized_domains = concat([local.host], var.authorized_domains)
  custom_roles       = local.custom_roles
  open_registration  = var.open_registration
  project_grants     = local.project_grants

  depends_on = [module.apis]
}

module "registry" {
  source = "../registry"

  project_id = var.project_id
  grants     = local.repository_grants

  repositories = {
    functions = {
      description = "Images that Cloud Functions builds.", location = var.region, immutable_tags = false
    }
    # Where the largest image is pulled from for every cold start.
    jobs = { description = "The image of all jobs.", location = local.lane_regions.gpu }
  }

  depends_on = [module.apis]
}

module "secrets" {
  source = "../secrets"

  project_id          = var.project_id
  region              = var.region
  deletion_protection = var.deletion_protection
  readers             = local.secret_readers
  secrets             = { token_key = "Signs page tokens; the same for all instances of a function." }

  depends_on = [module.apis]
}

module "storage" {
  source = "../storage"

  project_id    = var.project_id
  force_destroy = !var.deletion_protection
  grants        = local.bucket_grants
  web_origins   = local.origins

  buckets = {
    artifacts = {
      name             = local.buckets.artifacts
      location         = var.region
      soft_delete_days = 0
      cors_methods     = ["GET", "HEAD"]
      # The sweep deletes archives when their time is over; this is for when it cannot.
      delete_after = { "exports/" = 30 }
    }
    models = {
      name             = local.buckets.models
      location         = local.lane_regions.gpu
      soft_delete_days = 7
    }
    sources = {
      name             = local.buckets.sources
      location         = var.region
      soft_delete_days = 7
      versioning       = true
    }
    uploads = {
      name             = local.buckets.uploads
      location         = var.region
      soft_delete_days = 0
      cors_methods     = ["GET", "HEAD", "POST", "PUT"]
    }
  }

  depends_on = [module.apis]
}

module "database" {
  source = "../database"

  project_id          = var.project_id
  name                = local.database_instance
  region              = var.region
  network_id          = module.network.network_id
  backup_days         = var.database.backup_days
  deletion_protection = var.deletion_protection
  disk_gb             = var.database.disk_gb
  disk_limit_gb       = var.database.disk_limit_gb
  high_availability   = var.database.high_availability
  maintenance_track   = var.database.maintenance_track
  max_connections     = var.database.max_connections
  tier                = var.database.tier
  logins              = { for unit in keys(local.with_database) : unit => module.identity.database_users[unit] }
}

module "functions" {
  source = "../functions"

  project_id    = var.project_id
  region        = var.region
  environment   = merge(local.settings, module.observability.environment)
  functions     = local.functions
  vpc_connector = module.network.connector_id

  build = {
    docker_repository = module.registry.ids.functions
    # By its id, not its address alone: that is what Cloud Build asks for.
    service_account = "projects/${var.project_id}/serviceAccounts/${module.identity.emails.build}"
    source_bucket   = module.storage.names.sources
  }

  # Grants first: an instance that starts without them fails, and a build too.
  depends_on = [
    google_project_service_identity.agents, module.database, module.identity, module.registry, module.storage,
  ]
}

module "jobs" {
  source = "../jobs"

  project_id  = var.project_id
  network     = module.network.network_id
  environment = local.settings
  grants      = local.job_grants
  jobs        = local.jobs

  depends_on = [module.database, module.identity, module.storage]
}

module "messaging" {
  source = "../messaging"

  project_id     = var.project_id
  regions        = [var.region]
  pubsub_agent   = local.pubsub_agent
  push_endpoints = { for name in ["build_export", "dead_letter", "start_jobs"] : name => module.functions.uris[name] }
  push_identity  = module.identity.emails.push
  publishers     = local.publishers
  pullers        = local.pullers

  depends_on = [google_project_service_identity.agents]
}

module "scheduler" {
  source = "../scheduler"

  project_id = var.project_id
  region     = var.region
  paused     = var.paused
  topic_id   = module.messaging.topic_ids["heimdex-sweep"]
}

module "edge" {
  source = "../edge"

  project_id     = var.project_id
  region         = var.region
  api_service    = module.functions.names.api
  domain         = var.domain
  protection     = var.front_door
  search_service = module.functions.names.search
}

module "observability" {
  source = "../observability"

  project_id               = var.project_id
  api_host                 = local.host
  budget                   = var.budget
  database_instance        = local.database_instance
  dead_letter_subscription = "heimdex-dead-letter-push"
  functions                = module.functions.names
  jobs                     = { for lane in ["gpu", "media"] : lane => module.jobs.names[lane] }
  notification_emails      = var.notification_emails
  runbook_base_url         = var.runbook_base_url
}
