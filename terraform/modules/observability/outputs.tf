output "alert_policies" {
  description = "Alert → id of its policy."
  value = merge(
    { for name, policy in google_monitoring_alert_policy.threshold : name => policy.id },
    { for name, policy in google_monitoring_alert_policy.burn : name => policy.id },
    { no_sweep = google_monitoring_alert_policy.no_sweep.id },
  )
}

output "dashboards" {
  description = "Dashboard → its id."
  value       = { for name, dashboard in google_monitoring_dashboard.this : name => dashboard.id }
}

output "environment" {
  description = "Environment variables with which functions and jobs send spans to Cloud Trace. Each unit's account needs roles/telemetry.tracesWriter, and the project the APIs telemetry and cloudtrace."
  value       = { HEIMDEX_TRACE_ENDPOINT = "https://telemetry.googleapis.com/v1/traces" }
}

output "metrics" {
  description = "Metric of common/metrics.py → its type in Cloud Monitoring."
  value       = { for name, metric in google_logging_metric.listed : name => "logging.googleapis.com/user/${metric.name}" }
}

output "slos" {
  description = "Objective → its resource name."
  value       = { for name, slo in local.slos : name => slo.name }
}
