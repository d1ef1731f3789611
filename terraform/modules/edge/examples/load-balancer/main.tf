terraform {
  required_version = ">= 1.9"

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
}

provider "google" {
  project = "example-heimdex"
  region  = "asia-northeast3"
}

provider "google-beta" {
  project = "example-heimdex"
  region  = "asia-northeast3"
}

module "edge" {
  source = "../.."

  project_id     = "example-heimdex"
  region         = "asia-northeast3"
  api_service    = "heimdex-api"
  search_service = "heimdex-search"
  domain         = "heimdex.example.com"
  page           = { service = "heimdex-web" }

  protection = {
    searches_per_minute = 200
  }
}

output "address" {
  description = "What the domain's A record has to name."
  value       = module.edge.address
}

output "url" {
  description = "Address of the page; the API is at its /v1."
  value       = module.edge.url
}
