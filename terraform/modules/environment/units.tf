# What runs, as whom, and as which role of the database (common/sql/schema.sql).
locals {
  units = {
    api              = { database_role = "heimdex_api", purpose = "Answers /v1, except search." }
    build_export     = { database_role = "heimdex_api", purpose = "Builds archives of everything a user has." }
    dead_letter      = { database_role = "heimdex_ingest", purpose = "Records what nobody could handle." }
    gpu              = { database_role = "heimdex_worker", purpose = "Works on the gpu lane; never sees an upload." }
    media            = { database_role = "heimdex_worker", purpose = "Works on the media lane: decodes uploads." }
    migrate          = { database_role = "owner", purpose = "Brings the database to the current schema." }
    models           = { database_role = null, purpose = "Fetches models and mirrors them into a bucket." }
    operator         = { database_role = "heimdex_operator", purpose = "Runs the operators' command." }
    search           = { database_role = "heimdex_api", purpose = "Answers /v1/search." }
    start_jobs       = { database_role = "heimdex_ingest", purpose = "Starts jobs; sweeps; erases." }
    upload_finalized = { database_role = "heimdex_ingest", purpose = "Takes finished uploads into the ledger." }
  }

  # Accounts that no unit runs as.
  helpers = {
    build     = "Builds the functions' images in Cloud Build."
    events    = "Calls upload_finalized with Cloud Storage's events."
    push      = "Calls functions with Pub/Sub's messages."
    sign_down = "Signs URLs that show one object. Nothing runs as it."
    sign_up   = "Signs URLs that create one object. Nothing runs as it."
  }

  with_database = { for unit, facts in local.units : unit => facts.database_role if facts.database_role != null }

  buckets = {
    artifacts = "${var.project_id}-artifacts"
    models    = "${var.project_id}-models"
    sources   = "${var.project_id}-sources"
    uploads   = "${var.project_id}-uploads"
  }
  database_instance = "heimdex"

  # The page's own host, before it is made.
  host    = coalesce(var.domain, "${var.project_id}.web.app")
  origins = distinct(concat(["https://${local.host}"], var.web_origins))

  on_gpu        = var.profile == "gpu"
  lane_regions  = { media = var.region, gpu = local.on_gpu ? var.gpu_region : var.region }
  has_models    = var.profile != "offline"
  members       = module.identity.members
  pubsub_agent  = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
  storage_agent = "serviceAccount:${data.google_storage_project_service_account.this.email_address}"

  # Settings of every unit (common/config.py).
  settings = merge(
    {
      HEIMDEX_ARTIFACTS_BUCKET   = local.buckets.artifacts
      HEIMDEX_CLOUD_SQL_INSTANCE = "${var.project_id}:${var.region}:${local.database_instance}"
      HEIMDEX_PROFILE            = var.profile
      HEIMDEX_PROJECT            = var.project_id
      HEIMDEX_REGION             = local.lane_regions.media
      HEIMDEX_GPU_REGION         = local.lane_regions.gpu
      HEIMDEX_UPLOADS_BUCKET     = local.buckets.uploads
    },
    # What the estimate of a video's cost is made with (gpu_jobs/costs.py).
    {
      HEIMDEX_GPU_JOB_CPUS         = var.gpu_job.cpu
      HEIMDEX_GPU_JOB_GPUS         = local.on_gpu ? "1" : "0"
      HEIMDEX_GPU_JOB_MEMORY_GIB   = trimsuffix(var.gpu_job.memory, "Gi")
      HEIMDEX_MEDIA_JOB_CPUS       = var.media_job.cpu
      HEIMDEX_MEDIA_JOB_MEMORY_GIB = trimsuffix(var.media_job.memory, "Gi")
    },
    var.settings,
  )
  # Of those that are part of a trace from upload to searchable.
  traced = ["api", "build_export", "dead_letter", "gpu", "media", "search", "start_jobs", "upload_finalized"]

  # Each unit's own login; whoever has none is not told of one.
  logins = {
    for unit, facts in local.units : unit => facts.database_role == null ? {} : {
      HEIMDEX_DATABASE_USER = module.identity.database_users[unit]
    }
  }
  # Where models are fetched to: memory, as everything on Cloud Run's disk is.
  model_settings = local.has_models ? {
    HEIMDEX_MODELS_BUCKET = local.buckets.models
    HEIMDEX_MODELS_DIR    = "/tmp/models"
  } : {}
  signing_settings = {
    HEIMDEX_DOWNLOAD_SIGNER = module.identity.emails.sign_down
    HEIMDEX_UPLOAD_SIGNER   = module.identity.emails.sign_up
  }
  web_settings = {
    HEIMDEX_CORS_ORIGINS = jsonencode(local.origins)
  }
  token_key = { HEIMDEX_TOKEN_KEY = module.secrets.ids.token_key }
}
