resource "google_cloudfunctions2_function" "this" {
  # checkov:skip=CKV_GCP_124: what serves people is reached from outside; in prod only by the load balancer.
  for_each = var.functions

  project     = var.project_id
  location    = var.region
  name        = "heimdex-${replace(each.key, "_", "-")}"
  description = each.value.description

  build_config {
    runtime           = "python311"
    entry_point       = each.key
    service_account   = var.build.service_account
    docker_repository = var.build.docker_repository

    source {
      storage_source {
        bucket = var.build.source_bucket
        # The name carries the hash of the content: another source is another object, and a
        # deployment that changes nothing changes nothing.
        object = each.value.source_object
      }
    }
  }

  service_config {
    service_account_email            = each.value.service_account
    available_memory                 = each.value.memory
    available_cpu                    = each.value.cpu
    timeout_seconds                  = each.value.timeout_s
    max_instance_request_concurrency = each.value.concurrency
    min_instance_count               = each.value.min_instances
    max_instance_count               = each.value.max_instances
    ingress_settings                 = each.value.ingress
    environment_variables            = merge(var.environment, each.value.environment)
    vpc_connector                    = var.vpc_connector
    # What is not private (Google's APIs) goes the short way.
    vpc_connector_egress_settings  = "PRIVATE_RANGES_ONLY"
    all_traffic_on_latest_revision = true

    dynamic "secret_environment_variables" {
      for_each = each.value.secrets

      content {
        key        = secret_environment_variables.key
        project_id = var.project_id
        secret     = secret_environment_variables.value
        # Instances read it when they start: a new version needs a new revision, or patience.
        version = "latest"
      }
    }
  }

  dynamic "event_trigger" {
    for_each = each.value.finalized_bucket == null ? [] : [each.value.finalized_bucket]

    content {
      event_type            = "google.cloud.storage.object.v1.finalized"
      trigger_region        = var.region
      service_account_email = each.value.event_identity
      # Eventarc delivers again for a day; what it loses after that, the sweep finds.
      retry_policy = "RETRY_POLICY_RETRY"

      event_filters {
        attribute = "bucket"
        value     = event_trigger.value
      }
    }
  }

  lifecycle {
    precondition {
      condition     = each.value.public || length(each.value.invokers) > 0
      error_message = "Nobody could call ${each.key}: name its invokers."
    }
  }
}

# Authoritative: whoever is added by hand is gone after the next apply.
resource "google_cloud_run_v2_service_iam_binding" "invokers" {
  for_each = { for name, function in var.functions : name => function if !function.public }

  project  = var.project_id
  location = var.region
  name     = google_cloudfunctions2_function.this[each.key].name
  role     = "roles/run.invoker"
  members  = each.value.invokers
}

# Anybody may call the public functions, and that is all that anybody may: the whole policy of the
# service. They check Firebase's tokens themselves.
resource "google_cloud_run_v2_service_iam_policy" "public" {
  for_each = { for name, function in var.functions : name => function if function.public }

  project  = var.project_id
  location = var.region
  name     = google_cloudfunctions2_function.this[each.key].name

  policy_data = jsonencode({
    bindings = [{ role = "roles/run.invoker", members = ["allUsers"] }]
  })
}
