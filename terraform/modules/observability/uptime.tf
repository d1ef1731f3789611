resource "google_monitoring_uptime_check_config" "api" {
  project      = var.project_id
  display_name = "Heimdex: API"
  timeout      = "10s"
  period       = "60s"
  # The fewest that there may be; more would keep more instances awake.
  selected_regions = ["ASIA_PACIFIC", "EUROPE", "USA"]

  http_check {
    path         = "/v1/healthz"
    port         = 443
    use_ssl      = true
    validate_ssl = true

    accepted_response_status_codes {
      status_value = 200
    }
  }

  content_matchers {
    content = "\"ok\""
    matcher = "CONTAINS_STRING"
  }

  monitored_resource {
    type   = "uptime_url"
    labels = { project_id = var.project_id, host = var.api_host }
  }
}
