terraform {
  required_version = ">= 1.9"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 6.50"
    }
  }
}

provider "google" {
  project = "example-heimdex"
  region  = "asia-northeast3"
}

module "delivery" {
  source = "../.."

  project_id        = "example-heimdex"
  region            = "asia-northeast3"
  environment       = "prod"
  branch            = "prod"
  state_bucket      = "example-heimdex-terraform-state"
  repository        = "projects/example-heimdex/locations/asia-northeast3/connections/github/repositories/heimdex"
  approval_required = true
}

output "triggers" {
  description = "Names of the triggers."
  value       = module.delivery.triggers
}
