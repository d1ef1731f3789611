# Rings the sweep, which finds what a lost message, a dead process or a deleted video left behind.
# Cloud Scheduler publishes as its own service agent, whose role on the project Google grants.
resource "google_cloud_scheduler_job" "sweep" {
  project     = var.project_id
  region      = var.region
  name        = "heimdex-sweep"
  description = "Rings the sweep of the ledger."
  schedule    = var.schedule
  time_zone   = "Asia/Seoul"
  paused      = var.paused

  pubsub_target {
    topic_name = var.topic_id
    data       = base64encode("{}")
  }

  retry_config {
    retry_count          = 1
    min_backoff_duration = "5s"
  }
}
