# What an environment passes; checked by tests/terraform/test_observability.py.
terraform {
  required_version = ">= 1.11"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 6.50"
    }
  }
}

provider "google" {
  project = "heimdex-example"
  region  = "asia-southeast1"
  # Budgets belong to a billing account: the quota of this project is used for them.
  billing_project       = "heimdex-example"
  user_project_override = true
}

module "observability" {
  source = "../.."

  project_id               = "heimdex-example"
  api_host                 = "api.example.com"
  database_instance        = "heimdex"
  dead_letter_subscription = "heimdex-dead-letter-push"
  notification_emails      = ["on-call@example.com"]
  runbook_base_url         = "https://example.com/heimdex/blob/main/docs/runbooks"

  functions = {
    api              = "heimdex-api"
    build_export     = "heimdex-build-export"
    dead_letter      = "heimdex-dead-letter"
    search           = "heimdex-search"
    start_jobs       = "heimdex-start-jobs"
    upload_finalized = "heimdex-upload-finalized"
  }

  jobs = {
    media = "heimdex-media"
    gpu   = "heimdex-gpu"
  }

  budget = {
    amount          = 300
    billing_account = "000000-AAAAAA-BBBBBB"
  }
}

output "metrics" {
  description = "Types of the metrics."
  value       = module.observability.metrics
}
