locals {
  # What is wrong when a figure from the logs is above a threshold. Gauges are logged by every sweep,
  # once a minute; a percentile of theirs over five minutes is their height.
  log_alerts = {
    stuck_video = {
      title   = "A video does not go on"
      metric  = "oldest_unfinished", above = 1800, aligner = "ALIGN_PERCENTILE_99", for = "300s"
      runbook = "stuck-video", severity = "ERROR"
      means   = "A video has been queued or in processing for half an hour without any change. The ledger lost track of it, or its worker hangs."
    }
    backlog_media = {
      title   = "Uploads wait for the media lane"
      metric  = "oldest_ready", labels = { lane = "media" }, above = 600, aligner = "ALIGN_PERCENTILE_99", for = "300s"
      runbook = "stuck-video", severity = "WARNING"
      means   = "A run could have been claimed for ten minutes and nobody did: no execution starts, or all are busy."
    }
    backlog_gpu = {
      title   = "Videos wait for a GPU"
      metric  = "oldest_ready", labels = { lane = "gpu" }, above = 900, aligner = "ALIGN_PERCENTILE_99", for = "300s"
      runbook = "gpu-quota", severity = "WARNING"
      means   = "A run of the gpu lane could have been claimed for a quarter of an hour: the quota of L4 GPUs is used up, or the region has none to give."
    }
    dead_letter = {
      title   = "A message could not be handled"
      metric  = "dead_letters", above = 0, aligner = "ALIGN_DELTA", reducer = "REDUCE_SUM", for = "0s"
      runbook = "dead-letters", severity = "ERROR"
      means   = "A run used up its attempts, or a message cannot be read. Its user sees a failed video."
    }
    open_letters = {
      title   = "Dead letters pile up"
      metric  = "open_letters", above = 20, aligner = "ALIGN_PERCENTILE_99", for = "600s"
      runbook = "dead-letters", severity = "WARNING"
      means   = "More than twenty dead letters were neither replayed nor forgotten."
    }
    lease_expiries = {
      title   = "Workers go silent"
      metric  = "lease_expiries", above = 5, aligner = "ALIGN_DELTA", reducer = "REDUCE_SUM", for = "0s"
      runbook = "gpu-quota", severity = "WARNING"
      means   = "More than five runs in five minutes were taken over from workers that stopped their heartbeats: killed for memory, for maintenance, or hanging."
    }
    run_failures = {
      title   = "Many attempts fail"
      metric  = "run_failures", above = 20, aligner = "ALIGN_DELTA", reducer = "REDUCE_SUM", for = "0s"
      runbook = "rollback", severity = "ERROR"
      means   = "More than twenty attempts failed in five minutes. If it began with a deployment, take that back."
    }
    unpublished = {
      title   = "Messages are not published"
      metric  = "unpublished_messages", above = 50, aligner = "ALIGN_PERCENTILE_99", for = "300s"
      runbook = "stuck-video", severity = "ERROR"
      means   = "Transactions owe Pub/Sub messages that it does not take. Nothing is lost; nothing goes on either."
    }
    overdue_erasure = {
      title   = "A deletion is overdue"
      metric  = "oldest_erasure", above = 14400, aligner = "ALIGN_PERCENTILE_99", for = "600s"
      runbook = "stuck-video", severity = "ERROR"
      means   = "What somebody deleted is still there after four hours. It is promised within minutes, and after an upload under way has expired."
    }
    sweep_errors = {
      title   = "The sweep fails for some rows"
      metric  = "sweep_errors", above = 20, aligner = "ALIGN_DELTA", reducer = "REDUCE_SUM", for = "900s"
      runbook = "stuck-video", severity = "WARNING"
      means   = "For a quarter of an hour the sweep could not look after some rows; its log lines (sweep.failed) say of which kind."
    }
    crashes = {
      title   = "Requests crash"
      metric  = "crashes", above = 3, aligner = "ALIGN_DELTA", reducer = "REDUCE_SUM", for = "0s"
      runbook = "rollback", severity = "ERROR"
      means   = "Requests end in errors nobody foresaw. If it began with a deployment, take that back."
    }
  }

  # The same for what the platform measures itself.
  platform_alerts = merge(
    {
      job_failures = {
        title   = "Executions of jobs fail"
        filter  = "metric.type=\"run.googleapis.com/job/completed_execution_count\" AND resource.type=\"cloud_run_job\" AND metric.labels.result=\"failed\""
        above   = 2, aligner = "ALIGN_DELTA", reducer = "REDUCE_SUM", for = "0s"
        runbook = "gpu-quota", severity = "WARNING"
        means   = "An execution ends with 0 unless its worker is broken, or Cloud Run could not start it: for want of quota or of a GPU, or because of a wrong setting."
      }
      undelivered_letters = {
        title   = "Dead letters are not taken"
        filter  = "metric.type=\"pubsub.googleapis.com/subscription/oldest_unacked_message_age\" AND resource.type=\"pubsub_subscription\" AND resource.labels.subscription_id=\"${var.dead_letter_subscription}\""
        above   = 600, aligner = "ALIGN_MAX", reducer = "REDUCE_MAX", for = "300s"
        runbook = "dead-letters", severity = "ERROR"
        means   = "The function that records dead letters does not take them."
      }
      uptime = {
        title   = "The API does not answer from outside"
        filter  = "metric.type=\"monitoring.googleapis.com/uptime_check/check_passed\" AND resource.type=\"uptime_url\" AND metric.labels.check_id=\"${google_monitoring_uptime_check_config.api.uptime_check_id}\""
        above   = 1, aligner = "ALIGN_NEXT_OLDER", reducer = "REDUCE_COUNT_FALSE", for = "120s"
        runbook = "rollback", severity = "CRITICAL"
        means   = "At least two places in the world get no answer from /v1/healthz. After a deployment: rollback. If the region is down: regional-move."
      }
      certificate = {
        title   = "The certificate runs out"
        filter  = "metric.type=\"monitoring.googleapis.com/uptime_check/time_until_ssl_cert_expires\" AND resource.type=\"uptime_url\" AND metric.labels.check_id=\"${google_monitoring_uptime_check_config.api.uptime_check_id}\""
        below   = 14, aligner = "ALIGN_NEXT_OLDER", reducer = "REDUCE_MIN", for = "600s"
        runbook = "rotation", severity = "WARNING"
        means   = "The certificate of the API's host ends in less than 14 days and was not renewed."
      }
    },
    var.database_instance == "" ? {} : {
      database_down = {
        title   = "The database is down"
        filter  = "metric.type=\"cloudsql.googleapis.com/database/up\" AND resource.type=\"cloudsql_database\" AND resource.labels.database_id=\"${var.project_id}:${var.database_instance}\""
        below   = 1, aligner = "ALIGN_MIN", reducer = "REDUCE_MIN", for = "120s"
        runbook = "restore-drill", severity = "CRITICAL"
        means   = "Nothing works without the ledger. What is under way goes on when it is back."
      }
      database_disk = {
        title   = "The database's disk fills"
        filter  = "metric.type=\"cloudsql.googleapis.com/database/disk/utilization\" AND resource.type=\"cloudsql_database\" AND resource.labels.database_id=\"${var.project_id}:${var.database_instance}\""
        above   = 0.85, aligner = "ALIGN_MEAN", reducer = "REDUCE_MAX", for = "600s"
        runbook = "restore-drill", severity = "WARNING"
        means   = "More than 85 % of the disk is used. It grows by itself up to its limit; look at the limit."
      }
    }
  )

  thresholds = merge(
    {
      for name, alert in local.log_alerts : name => {
        title = alert.title, means = alert.means, runbook = alert.runbook, severity = alert.severity
        filter = join(" AND ", concat([local.selected[alert.metric]], [
          for label, value in try(alert.labels, {}) : "metric.labels.${label}=\"${value}\""
        ]))
        comparison = "COMPARISON_GT", value = alert.above, duration = alert.for
        aligner    = alert.aligner, reducer = try(alert.reducer, "REDUCE_MAX")
      }
    },
    {
      for name, alert in local.platform_alerts : name => {
        title      = alert.title, means = alert.means, runbook = alert.runbook, severity = alert.severity
        filter     = alert.filter
        comparison = can(alert.above) ? "COMPARISON_GT" : "COMPARISON_LT"
        value      = can(alert.above) ? alert.above : alert.below, duration = alert.for
        aligner    = alert.aligner, reducer = alert.reducer
      }
    },
  )

  runbooks = { for name in ["dead-letters", "first-deploy", "gpu-quota", "regional-move", "restore-drill", "rollback", "rotation", "stuck-video"] :
    name => "${var.runbook_base_url}/${name}.md"
  }
}

resource "google_monitoring_alert_policy" "threshold" {
  for_each = local.thresholds

  project               = var.project_id
  display_name          = "Heimdex: ${each.value.title}"
  combiner              = "OR"
  severity              = each.value.severity
  notification_channels = local.channels

  conditions {
    display_name = each.value.title

    condition_threshold {
      filter          = each.value.filter
      comparison      = each.value.comparison
      threshold_value = each.value.value
      duration        = each.value.duration

      aggregations {
        alignment_period     = each.value.aligner == "ALIGN_NEXT_OLDER" ? "1200s" : "300s"
        per_series_aligner   = each.value.aligner
        cross_series_reducer = each.value.reducer
      }
    }
  }

  alert_strategy {
    auto_close = "86400s"
  }

  documentation {
    content = "${each.value.means}\n\nWhat to do: ${local.runbooks[each.value.runbook]}"

    links {
      display_name = "Runbook: ${each.value.runbook}"
      url          = local.runbooks[each.value.runbook]
    }
  }
}

# The sweep mends what is lost and logs the gauges: without it the alerts above are blind.
resource "google_monitoring_alert_policy" "no_sweep" {
  project               = var.project_id
  display_name          = "Heimdex: No sweep comes to its end"
  combiner              = "OR"
  severity              = "CRITICAL"
  notification_channels = local.channels

  conditions {
    display_name = "No sweep for ten minutes"

    condition_absent {
      filter   = local.selected["sweeps"]
      duration = "600s"

      aggregations {
        alignment_period     = "60s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }

  alert_strategy {
    auto_close = "86400s"
  }

  documentation {
    content = "The sweep runs each minute. Without it lost messages stay lost, deletions wait, and the backlog is not measured.\n\nWhat to do: ${local.runbooks["stuck-video"]}"

    links {
      display_name = "Runbook: stuck-video"
      url          = local.runbooks["stuck-video"]
    }
  }
}
