terraform {
  required_version = ">= 1.11"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 6.50"
    }
    google-beta = {
      source  = "hashicorp/google-beta"
      version = "~> 6.50"
    }
  }

  # Which bucket, the state's bootstrap says: terraform init -backend-config=bucket=…
  backend "gcs" {
    prefix = "heimdex/dev"
  }
}

provider "google" {
  project = var.project_id
  region  = var.region

  # Google's APIs that bill a project by the caller (Identity Platform, budgets) bill this one.
  billing_project       = var.project_id
  user_project_override = true

  default_labels = {
    application = "heimdex"
    environment = "dev"
  }
}

provider "google-beta" {
  project = var.project_id
  region  = var.region

  # Google's APIs that bill a project by the caller (Identity Platform, budgets) bill this one.
  billing_project       = var.project_id
  user_project_override = true

  default_labels = {
    application = "heimdex"
    environment = "dev"
  }
}
