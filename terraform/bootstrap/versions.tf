terraform {
  required_version = ">= 1.9"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 6.50"
    }
  }

  # This makes the bucket that all other state lies in, so its own lies beside it, in a file. The README
  # says how a copy gets into the bucket, and what to do when the file is lost.
  backend "local" {}
}

provider "google" {
  project = var.project_id
  region  = var.region
}
