# Which front door it is, and which service answers which path: the same for both.

locals {
  balanced = var.domain != null

  # Longest path first, as Firebase Hosting takes the first rule that fits.
  api_paths    = ["/v1", "/v1/*"]
  search_paths = ["/v1/search", "/v1/search/*"]

  services = merge(
    {
      api    = { service = var.api_service, region = var.region }
      search = { service = var.search_service, region = var.region }
    },
    var.page == null ? {} : {
      page = { service = var.page.service, region = coalesce(var.page.region, var.region) }
    },
  )

  # Without a page, whatever is not /v1 gets the api function's 404.
  fallback = var.page == null ? "api" : "page"
}

# Cloud Run logs the address of every request, and in the address of a search is what somebody looks
# for, names of people among it. Metrics of the service do not need these lines.
resource "google_logging_project_exclusion" "search_queries" {
  project     = var.project_id
  name        = "${var.name}-search-queries"
  description = "What people search for is in the address of the request, and is nobody's business."
  filter      = <<-EOT
    resource.type="cloud_run_revision"
    resource.labels.service_name="${var.search_service}"
    log_id("run.googleapis.com/requests")
  EOT
}
