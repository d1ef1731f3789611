# Why these sizes: terraform/README.md.
locals {
  sources = {
    for name in ["api", "build_export", "dead_letter", "search", "start_jobs", "upload_finalized"] :
    name => lookup(var.function_sources, name, "functions/${name}/not-released.zip")
  }

  private_functions = {
    build_export = {
      description   = local.units.build_export.purpose
      source_object = local.sources.build_export
      # The archive lies in memory while it is written.
      memory          = "2Gi"
      timeout_s       = 540
      max_instances   = 5
      service_account = module.identity.emails.build_export
      invokers        = [local.members.push]
      environment     = local.logins.build_export
    }
    dead_letter = {
      description     = local.units.dead_letter.purpose
      source_object   = local.sources.dead_letter
      max_instances   = 3
      service_account = module.identity.emails.dead_letter
      invokers        = [local.members.push]
      environment     = local.logins.dead_letter
    }
    start_jobs = {
      description   = local.units.start_jobs.purpose
      source_object = local.sources.start_jobs
      # A sweep that has much to erase; a doorbell takes a second or two.
      timeout_s       = 540
      max_instances   = 10
      service_account = module.identity.emails.start_jobs
      invokers        = [local.members.push]
      environment     = local.logins.start_jobs
    }
    upload_finalized = {
      description      = local.units.upload_finalized.purpose
      source_object    = local.sources.upload_finalized
      max_instances    = 20
      service_account  = module.identity.emails.upload_finalized
      invokers         = [local.members.events]
      event_identity   = module.identity.emails.events
      finalized_bucket = module.storage.names.uploads
      environment      = local.logins.upload_finalized
    }
  }

  public_functions = {
    api = {
      description     = local.units.api.purpose
      source_object   = local.sources.api
      memory          = var.api.memory
      cpu             = var.api.cpu
      concurrency     = var.api.concurrency
      min_instances   = var.api.min_instances
      max_instances   = var.api.max_instances
      service_account = module.identity.emails.api
      public          = true
      ingress         = module.edge.function_ingress
      environment     = merge(local.logins.api, local.signing_settings, local.web_settings)
      secrets         = local.token_key
    }
    search = {
      description   = local.units.search.purpose
      source_object = local.sources.search
      memory        = var.search.memory
      cpu           = var.search.cpu
      concurrency   = var.search.concurrency
      # One is always warm: to start one takes as long as fetching and loading its models.
      min_instances   = var.search.min_instances
      max_instances   = var.search.max_instances
      service_account = module.identity.emails.search
      public          = true
      ingress         = module.edge.function_ingress
      environment     = merge(local.logins.search, local.model_settings, local.web_settings)
      secrets         = local.token_key
    }
  }

  functions = merge(local.private_functions, local.public_functions)
}
