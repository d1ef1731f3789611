# The list is made from common/metrics.py (`make metrics`); a test compares the two.
locals {
  listed = jsondecode(file("${path.module}/metrics.json"))

  resource_types = { function = "cloud_run_revision", job = "cloud_run_job" }

  # Smallest value worth telling apart from none.
  scales = { s = 0.1, ms = 1, min = 0.1, USD = 0.0001, "1" = 1 }

  # Name → how time series of it are selected.
  selected = {
    for name, metric in local.listed : name => join(" AND ", [
      "metric.type=\"logging.googleapis.com/user/${google_logging_metric.listed[name].name}\"",
      "resource.type=\"${local.resource_types[metric.written_by]}\"",
    ])
  }
}

resource "google_logging_metric" "listed" {
  for_each = local.listed

  project     = var.project_id
  name        = "heimdex_${each.key}"
  description = each.value.description

  filter = join(" AND ", [
    "resource.type=\"${local.resource_types[each.value.written_by]}\"",
    "jsonPayload.action=\"${each.value.action}\"",
  ])

  value_extractor  = each.value.kind == "distribution" ? "EXTRACT(jsonPayload.${each.value.field})" : null
  label_extractors = { for label in each.value.labels : label => "EXTRACT(jsonPayload.${label})" }

  metric_descriptor {
    metric_kind  = "DELTA"
    value_type   = each.value.kind == "distribution" ? "DISTRIBUTION" : "INT64"
    unit         = each.value.unit
    display_name = each.value.description

    dynamic "labels" {
      for_each = each.value.labels

      content {
        key        = labels.value
        value_type = "STRING"
      }
    }
  }

  dynamic "bucket_options" {
    for_each = each.value.kind == "distribution" ? [local.scales[each.value.unit]] : []

    content {
      exponential_buckets {
        growth_factor      = 1.4
        num_finite_buckets = 64
        scale              = bucket_options.value
      }
    }
  }
}
