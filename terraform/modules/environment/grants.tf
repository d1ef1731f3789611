# Who may do what, each on one resource, in words. tests/terraform compares all of it, in a plan, with
# the list in tests/terraform/grants.toml: a grant that is added here has to be argued for there.
locals {
  custom_roles = {
    accountEraser = {
      description = "Delete the sign-in of somebody who left."
      permissions = ["firebaseauth.users.delete"]
    }
    accountReader = {
      description = "Ask whether a sign-in was revoked."
      permissions = ["firebaseauth.users.get"]
    }
    objectDiscarder = {
      description = "Delete an object that nobody waits for any more; see none."
      permissions = ["storage.objects.delete"]
    }
    objectEraser = {
      description = "Find and delete objects; read them, to know what arrived; write none."
      permissions = ["storage.objects.delete", "storage.objects.get", "storage.objects.list"]
    }
    objectLister = {
      description = "See the names of objects, and not what is in them."
      permissions = ["storage.objects.list"]
    }
  }

  account_grants = {
    "api signs downloads" = {
      account = "sign_down", role = "roles/iam.serviceAccountTokenCreator", member = local.members.api
    }
    "api signs uploads" = {
      account = "sign_up", role = "roles/iam.serviceAccountTokenCreator", member = local.members.api
    }
  }

  # Cloud SQL has no grants on an instance; a condition is one.
  only_our_instance = {
    title       = "only instance ${local.database_instance}"
    description = "Of all databases of the project, this one."
    expression = join(" && ", [
      "resource.name == \"projects/${var.project_id}/instances/${local.database_instance}\"",
      "resource.service == \"sqladmin.googleapis.com\"",
    ])
  }

  # Cloud Functions copies sources into a bucket that it makes itself, when the first one is deployed.
  only_function_sources = {
    title       = "only sources of functions"
    description = "The bucket that Cloud Functions keeps them in."
    expression  = "resource.name.startsWith(\"projects/_/buckets/gcf-v2-sources-${data.google_project.this.number}-\")"
  }

  # What exists only on a project. The reasons are in the list of the test.
  project_grants = merge(
    {
      for unit in keys(local.with_database) : "${unit} connects to the database" => {
        role = "roles/cloudsql.client", member = local.members[unit], condition = local.only_our_instance
      }
    },
    {
      for unit in keys(local.with_database) : "${unit} logs in to the database" => {
        role = "roles/cloudsql.instanceUser", member = local.members[unit], condition = local.only_our_instance
      }
    },
    {
      for unit in local.traced : "${unit} sends spans" => {
        role = "roles/telemetry.tracesWriter", member = local.members[unit], condition = null
      }
    },
    {
      "api asks for revoked sign-ins" = {
        role = module.identity.roles.accountReader, member = local.members.api, condition = null
      }
      "build reads the sources of functions" = {
        role = "roles/storage.objectViewer", member = local.members.build, condition = local.only_function_sources
      }
      "build writes logs" = {
        role = "roles/logging.logWriter", member = local.members.build, condition = null
      }
      "cloud storage publishes its events" = {
        role = "roles/pubsub.publisher", member = local.storage_agent, condition = null
      }
      "events receives events" = {
        role = "roles/eventarc.eventReceiver", member = local.members.events, condition = null
      }
      "start_jobs deletes sign-ins" = {
        role = module.identity.roles.accountEraser, member = local.members.start_jobs, condition = null
      }
    },
  )

  # Of the artifacts bucket: what stages make, or archives. Listing is a right on the bucket, and
  # shows names alone.
  artifact_prefixes = { archives = ["exports/"], results = ["artifacts/", "sidecars/"] }
  only_artifacts = {
    for name, prefixes in local.artifact_prefixes : name => {
      title       = "only ${name}"
      description = "Of all objects of the bucket, those below ${join(" and ", prefixes)}."
      expression = join(" || ", concat(["resource.type != \"storage.googleapis.com/Object\""], [
        for prefix in prefixes :
        "resource.name.startsWith(\"projects/_/buckets/${local.buckets.artifacts}/objects/${prefix}\")"
      ]))
    }
  }

  bucket_grants = {
    "build reads sources" = {
      bucket = "sources", role = "roles/storage.objectViewer", member = local.members.build
    }
    "build_export writes archives" = {
      bucket    = "artifacts", role = "roles/storage.objectUser", member = local.members.build_export
      condition = local.only_artifacts.archives
    }
    "gpu reads models" = {
      bucket = "models", role = "roles/storage.objectViewer", member = local.members.gpu
    }
    "gpu works on artifacts" = {
      bucket    = "artifacts", role = "roles/storage.objectUser", member = local.members.gpu
      condition = local.only_artifacts.results
    }
    "media reads uploads" = {
      bucket = "uploads", role = "roles/storage.objectViewer", member = local.members.media
    }
    "media works on artifacts" = {
      bucket    = "artifacts", role = "roles/storage.objectUser", member = local.members.media
      condition = local.only_artifacts.results
    }
    "models mirrors models" = {
      bucket = "models", role = "roles/storage.objectUser", member = local.members.models
    }
    "operator lists artifacts" = {
      bucket = "artifacts", role = module.identity.roles.objectLister, member = local.members.operator
    }
    "operator lists uploads" = {
      bucket = "uploads", role = module.identity.roles.objectLister, member = local.members.operator
    }
    "search reads models" = {
      bucket = "models", role = "roles/storage.objectViewer", member = local.members.search
    }
    "sign_down shows archives" = {
      bucket    = "artifacts", role = "roles/storage.legacyObjectReader", member = local.members.sign_down
      condition = local.only_artifacts.archives
    }
    "sign_down shows uploads" = {
      bucket = "uploads", role = "roles/storage.legacyObjectReader", member = local.members.sign_down
    }
    "sign_up creates uploads" = {
      bucket = "uploads", role = "roles/storage.objectCreator", member = local.members.sign_up
    }
    "start_jobs erases artifacts" = {
      bucket = "artifacts", role = module.identity.roles.objectEraser, member = local.members.start_jobs
    }
    "start_jobs finds and erases uploads" = {
      bucket = "uploads", role = module.identity.roles.objectEraser, member = local.members.start_jobs
    }
    "upload_finalized discards uploads of the deleted" = {
      bucket = "uploads", role = module.identity.roles.objectDiscarder, member = local.members.upload_finalized
    }
  }

  repository_grants = {
    "build writes functions" = {
      repository = "functions", role = "roles/artifactregistry.writer", member = local.members.build
    }
  }

  secret_readers = {
    "api reads token_key"    = { secret = "token_key", member = local.members.api }
    "search reads token_key" = { secret = "token_key", member = local.members.search }
  }

  # Whoever owes messages to a topic: its own next lane, its dead letters, or, for the sweep and the
  # operators, whatever was not published.
  publishing = {
    gpu              = ["heimdex-dead-letter", "heimdex-gpu"]
    media            = ["heimdex-dead-letter", "heimdex-gpu", "heimdex-media"]
    operator         = ["heimdex-export", "heimdex-gpu", "heimdex-media", "heimdex-sweep"]
    start_jobs       = ["heimdex-dead-letter", "heimdex-export", "heimdex-gpu", "heimdex-media"]
    upload_finalized = ["heimdex-media"]
  }
  publishers = merge([
    for unit, topics in local.publishing : {
      for topic in topics : "${unit} publishes to ${topic}" => { topic = topic, member = local.members[unit] }
    }
  ]...)
  pullers = {
    for lane in ["gpu", "media"] : "${lane} pulls its work" => {
      subscription = "heimdex-${lane}-work", member = local.members[lane]
    }
  }

  job_grants = merge(
    # The role may run a job, and not tell it to run something else (overrides).
    {
      for lane in ["gpu", "media"] : "start_jobs runs ${lane}" => {
        job = lane, role = "roles/run.invoker", member = local.members.start_jobs
      }
    },
    # Operators say by arguments what the command is to do.
    {
      for person in var.operators : "${person} runs the operator command" => {
        job = "operator", role = "roles/run.jobsExecutorWithOverrides", member = person
      }
    },
  )
}
