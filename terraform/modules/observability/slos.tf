locals {
  of_service = {
    for name in ["api", "search"] :
    name => "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=\"${var.functions[name]}\""
  }

  services = {
    api      = "Heimdex API"
    search   = "Heimdex search"
    pipeline = "Heimdex pipeline"
  }

  # An alert tells of a service, of an objective, and what to read.
  objectives = {
    "api-availability"    = { service = "api", runbook = "rollback" }
    "api-latency"         = { service = "api", runbook = "rollback" }
    "search-availability" = { service = "search", runbook = "rollback" }
    "search-latency"      = { service = "search", runbook = "rollback" }
    "time-to-searchable"  = { service = "pipeline", runbook = "stuck-video" }
  }

  latencies = {
    api    = { goal = var.objectives.api_fast, max_ms = var.objectives.api_ms }
    search = { goal = var.objectives.search_fast, max_ms = var.objectives.search_ms }
  }

  slos = merge(
    { for name, slo in google_monitoring_slo.availability : "${name}-availability" => slo },
    { for name, slo in google_monitoring_slo.latency : "${name}-latency" => slo },
    { "time-to-searchable" = google_monitoring_slo.searchable },
  )
}

resource "google_monitoring_custom_service" "this" {
  for_each = local.services

  project      = var.project_id
  service_id   = "heimdex-${each.key}"
  display_name = each.value
}

resource "google_monitoring_slo" "availability" {
  for_each = local.of_service

  project             = var.project_id
  service             = google_monitoring_custom_service.this[each.key].service_id
  slo_id              = "${each.key}-availability"
  display_name        = "${var.objectives.availability * 100} % of requests are answered"
  goal                = var.objectives.availability
  rolling_period_days = 28

  request_based_sli {
    good_total_ratio {
      total_service_filter = "metric.type=\"run.googleapis.com/request_count\" AND ${each.value}"
      bad_service_filter   = "metric.type=\"run.googleapis.com/request_count\" AND ${each.value} AND metric.labels.response_code_class=\"5xx\""
    }
  }
}

resource "google_monitoring_slo" "latency" {
  for_each = local.of_service

  project             = var.project_id
  service             = google_monitoring_custom_service.this[each.key].service_id
  slo_id              = "${each.key}-latency"
  display_name        = "${local.latencies[each.key].goal * 100} % within ${local.latencies[each.key].max_ms} ms"
  goal                = local.latencies[each.key].goal
  rolling_period_days = 28

  request_based_sli {
    distribution_cut {
      distribution_filter = "metric.type=\"run.googleapis.com/request_latencies\" AND ${each.value}"

      range {
        max = local.latencies[each.key].max_ms
      }
    }
  }
}

resource "google_monitoring_slo" "searchable" {
  project             = var.project_id
  service             = google_monitoring_custom_service.this["pipeline"].service_id
  slo_id              = "time-to-searchable"
  display_name        = "${var.objectives.searchable_in_time * 100} % searchable within ${var.objectives.searchable_s} s"
  goal                = var.objectives.searchable_in_time
  rolling_period_days = 28

  request_based_sli {
    distribution_cut {
      distribution_filter = local.selected["time_to_searchable"]

      range {
        max = var.objectives.searchable_s
      }
    }
  }
}

# A tenth of four weeks' budget in an hour, still going on in the last five minutes: somebody should
# look now. Slower losses are seen on the dashboards.
resource "google_monitoring_alert_policy" "burn" {
  for_each = local.objectives

  project               = var.project_id
  display_name          = "Heimdex: ${local.services[each.value.service]} misses ${each.key}"
  combiner              = "AND"
  severity              = "ERROR"
  notification_channels = local.channels

  dynamic "conditions" {
    for_each = { "3600s" = "an hour", "300s" = "five minutes" }

    content {
      display_name = "Budget burns over ${conditions.value}"

      condition_threshold {
        filter          = "select_slo_burn_rate(\"${local.slos[each.key].name}\", \"${conditions.key}\")"
        comparison      = "COMPARISON_GT"
        threshold_value = 10
        duration        = "0s"
      }
    }
  }

  alert_strategy {
    auto_close = "86400s"
  }

  documentation {
    content = "The objective ${each.key} is being missed fast: ten times the rate at which its budget lasts 28 days.\n\nWhat to do: ${local.runbooks[each.value.runbook]}"

    links {
      display_name = "Runbook: ${each.value.runbook}"
      url          = local.runbooks[each.value.runbook]
    }
  }
}
