locals {
  # A chart by log metric: distributions as percentiles, counters as what came in each five minutes.
  charts = {
    pipeline = [
      { title = "Time to searchable (p50, p95), s", metric = "time_to_searchable", percentiles = [50, 95] },
      { title = "Videos that became searchable, per 5 min", metric = "indexed_minutes", count = true },
      { title = "Time by stage (p95), ms", metric = "stage_duration", percentiles = [95], by = "stage" },
      { title = "Backlog: runs that could be claimed", metric = "ready_runs", percentiles = [99], by = "lane" },
      { title = "How long the first of them has waited, s", metric = "oldest_ready", percentiles = [99], by = "lane" },
      { title = "Runs that are claimed", metric = "running_runs", percentiles = [99], by = "lane" },
      { title = "Video that does not go on, s", metric = "oldest_unfinished", percentiles = [99] },
      { title = "Executions asked for, per 5 min", metric = "jobs_started", by = "lane" },
      { title = "Failed attempts by code, per 5 min", metric = "run_failures", by = "code" },
      { title = "Lease expiries, per 5 min", metric = "lease_expiries", by = "lane" },
      { title = "Dead letters by reason, per 5 min", metric = "dead_letters", by = "reason" },
      { title = "Dead letters that nobody replayed", metric = "open_letters", percentiles = [99] },
      { title = "Messages owed to Pub/Sub", metric = "unpublished_messages", percentiles = [99] },
      { title = "Deletion that waits longest, s", metric = "oldest_erasure", percentiles = [99] },
      { title = "Sweeps that ended, per 5 min", metric = "sweeps" },
      { title = "Rows the sweep could not look after, per 5 min", metric = "sweep_errors", by = "kind" },
    ]
    search = [
      { title = "Search (p50, p95, p99), ms", metric = "search_duration", percentiles = [50, 95, 99] },
      { title = "Searches by mode, per 5 min", metric = "search_duration", count = true, by = "mode" },
      { title = "Encoding a query (p50, p95), ms", metric = "encode_duration", percentiles = [50, 95] },
      { title = "Legs (p95), ms", metric = "leg_duration", percentiles = [95], by = "leg" },
      { title = "Quota refusals by code, per 5 min", metric = "quota_refusals", by = "code" },
      { title = "Crashes, per 5 min", metric = "crashes" },
    ]
    cost = [
      { title = "Estimated cost by lane, USD per 5 min", metric = "run_cost", sum = true, by = "lane" },
      { title = "GPU seconds, per 5 min", metric = "gpu_seconds", sum = true, by = "lane" },
      { title = "Minutes of video indexed, per 5 min", metric = "indexed_minutes", sum = true },
      { title = "Quota refusals by code, per 5 min", metric = "quota_refusals", by = "code" },
    ]
  }

  # What the platform measures of the functions and jobs themselves.
  platform_charts = {
    pipeline = concat(
      [{
        title  = "Executions that run", by = "resource.label.job_name", aligner = "ALIGN_MAX"
        filter = "metric.type=\"run.googleapis.com/job/running_executions\" AND resource.type=\"cloud_run_job\""
      }],
      var.database_instance == "" ? [] : [{
        title  = "Database CPU", by = "resource.label.database_id", aligner = "ALIGN_MEAN"
        filter = "metric.type=\"cloudsql.googleapis.com/database/cpu/utilization\" AND resource.type=\"cloudsql_database\" AND resource.labels.database_id=\"${var.project_id}:${var.database_instance}\""
      }],
    )
    search = [
      for name in ["search", "api"] : {
        title  = "Requests of ${name} by class, per s", by = "metric.label.response_code_class", aligner = "ALIGN_RATE"
        filter = "metric.type=\"run.googleapis.com/request_count\" AND ${local.of_service[name]}"
      }
    ]
    cost = [
      {
        title  = "Billable seconds of functions, per s", by = "resource.label.service_name", aligner = "ALIGN_RATE"
        filter = "metric.type=\"run.googleapis.com/container/billable_instance_time\" AND resource.type=\"cloud_run_revision\""
      },
    ]
  }

  # PromQL names a log-based metric so; a job writes all that these need.
  usd_per_minute = join(" / ", [
    for metric in ["run_cost", "indexed_minutes"] :
    "sum(increase(logging_googleapis_com:user_heimdex_${metric}_sum{monitored_resource=\"cloud_run_job\"}[1d]))"
  ])

  # Chart → its lines. The count and the sum of a distribution are had by PromQL alone.
  log_widgets = {
    for board, charts in local.charts : board => [
      for chart in charts : {
        title = chart.title
        lines = concat(
          [
            for function in ["count", "sum"] : {
              legend = ""
              query = {
                prometheusQuery = join("", [
                  "sum", can(chart.by) ? " by (${chart.by})" : "",
                  " (increase(logging_googleapis_com:user_heimdex_${chart.metric}_${function}",
                  "{monitored_resource=\"${local.resource_types[local.listed[chart.metric].written_by]}\"}[5m]))",
                ])
              }
            } if can(chart[function])
          ],
          [
            for percentile in try(chart.percentiles, [0]) : {
              legend = percentile == 0 ? "" : "p${percentile}"
              query = {
                timeSeriesFilter = {
                  filter = local.selected[chart.metric]
                  aggregation = {
                    alignmentPeriod    = "300s"
                    perSeriesAligner   = "ALIGN_DELTA"
                    crossSeriesReducer = percentile == 0 ? "REDUCE_SUM" : "REDUCE_PERCENTILE_${format("%02d", percentile)}"
                    groupByFields      = can(chart.by) ? ["metric.label.${chart.by}"] : []
                  }
                }
              }
            } if !can(chart.count) && !can(chart.sum)
          ],
        )
      }
    ]
  }

  platform_widgets = {
    for board, charts in local.platform_charts : board => [
      for chart in charts : {
        title = chart.title
        lines = [{
          legend = ""
          query = {
            timeSeriesFilter = {
              filter = chart.filter
              aggregation = {
                alignmentPeriod    = "300s"
                perSeriesAligner   = chart.aligner
                crossSeriesReducer = "REDUCE_SUM"
                groupByFields      = [chart.by]
              }
            }
          }
        }]
      }
    ]
  }

  titles = { pipeline = "Heimdex: pipeline", search = "Heimdex: search", cost = "Heimdex: cost" }

  read_more = {
    text = {
      format  = "MARKDOWN"
      content = join(" · ", [for name, url in local.runbooks : "[${name}](${url})"])
    }
    title = "Runbooks"
  }

  scorecards = {
    pipeline = []
    search   = []
    cost = [{
      title     = "Estimated cost of an indexed minute over a day, USD"
      scorecard = { timeSeriesQuery = { prometheusQuery = local.usd_per_minute } }
    }]
  }
}

resource "google_monitoring_dashboard" "this" {
  for_each = local.titles

  project = var.project_id
  dashboard_json = jsonencode({
    displayName = each.value
    gridLayout = {
      columns = "2"
      widgets = concat(
        local.scorecards[each.key],
        [
          for widget in concat(local.log_widgets[each.key], local.platform_widgets[each.key]) : {
            title = widget.title
            xyChart = {
              dataSets = [
                for line in widget.lines : {
                  legendTemplate  = line.legend
                  plotType        = "LINE"
                  targetAxis      = "Y1"
                  timeSeriesQuery = line.query
                }
              ]
            }
          }
        ],
        [local.read_more],
      )
    }
  })
}
