locals {
  # Named by digest in a release; a name that nobody has pushed until there is one.
  job_image = coalesce(var.job_image, "${module.registry.urls.jobs}/jobs:not-released")

  lane_jobs = {
    gpu = {
      image           = local.job_image
      command         = ["python", "-m", "gpu_jobs"]
      args            = ["--lane", "gpu"]
      region          = local.lane_regions.gpu
      subnet          = module.network.subnets[local.lane_regions.gpu]
      service_account = module.identity.emails.gpu
      gpu             = local.on_gpu ? "nvidia-l4" : null
      cpu             = var.gpu_job.cpu
      memory          = var.gpu_job.memory
      # Cloud Run ends GPU tasks after an hour, and for maintenance at any time: ten seconds after
      # SIGTERM. A worker stops claiming after 40 minutes (HEIMDEX_STOP_CLAIMING_AFTER_S), so that its
      # last run has ten to end in; whatever is cut off goes on at its first unfinished stage.
      timeout_s = 3000
      # One: whoever was ended for maintenance is replaced at once, not at the next sweep. No more:
      # a worker that cannot start would burn GPU time, and the sweep rings again anyway.
      max_retries = 1
      environment = merge(local.logins.gpu, local.model_settings, module.observability.environment)
    }
    media = {
      image           = local.job_image
      command         = ["python", "-m", "gpu_jobs"]
      args            = ["--lane", "media"]
      region          = local.lane_regions.media
      subnet          = module.network.subnets[local.lane_regions.media]
      service_account = module.identity.emails.media
      cpu             = var.media_job.cpu
      memory          = var.media_job.memory
      timeout_s       = 3600
      max_retries     = 1
      environment     = merge(local.logins.media, module.observability.environment)
    }
  }

  other_jobs = {
    # A failed migration is looked at by a person, not tried again.
    migrate = {
      image           = local.job_image
      command         = ["python", "-m", "common.sql.migrate"]
      region          = var.region
      subnet          = module.network.subnets[var.region]
      service_account = module.identity.emails.migrate
      cpu             = "1"
      memory          = "512Mi"
      timeout_s       = 1800
      max_retries     = 0
      environment = merge(local.logins.migrate, {
        HEIMDEX_DATABASE_LOGINS = jsonencode(local.database_logins)
        # Who makes roles acts as the role that may; being its member is not enough.
        HEIMDEX_DATABASE_ROLE = "cloudsqlsuperuser"
      })
    }
    operator = {
      image           = local.job_image
      command         = ["python", "-m", "gpu_jobs.admin"]
      args            = ["--help"]
      region          = var.region
      subnet          = module.network.subnets[var.region]
      service_account = module.identity.emails.operator
      cpu             = "1"
      memory          = "512Mi"
      timeout_s       = 600
      max_retries     = 0
      environment     = local.logins.operator
    }
  }

  # Fetches from the hub, so it has the internet and no way to the database. Run once per model set.
  models_job = !local.has_models ? {} : {
    models = {
      image = local.job_image
      command = ["sh", "-c", join(" && ", [
        "python -m gpu_jobs.models --profile ${var.profile} --dir /tmp/models",
        "python -m gpu_jobs.models.mirror --profile ${var.profile} --dir /tmp/models --bucket ${local.buckets.models}",
      ])]
      region          = local.lane_regions.gpu
      service_account = module.identity.emails.models
      cpu             = "8"
      memory          = "32Gi"
      timeout_s       = 3600
      max_retries     = 1
      # The image forbids what only this job does.
      environment = { HF_HUB_OFFLINE = "0" }
    }
  }

  jobs = merge(local.lane_jobs, local.other_jobs, local.models_job)

  # Login → the role of the database that the migrate job makes it a member of.
  database_logins = {
    for unit, role in local.with_database : module.identity.database_users[unit] => role if role != "owner"
  }
}
