locals {
  # The same that a laptop's cloud declares (local/topology.py); a test compares the two.
  dead_letter_topic = "heimdex-dead-letter"
  topics            = toset(concat(values(local.lanes), ["heimdex-sweep", "heimdex-export", local.dead_letter_topic]))
  lanes             = { for lane in ["media", "gpu"] : lane => "heimdex-${lane}" }

  doorbells = {
    for lane, topic in local.lanes : "${topic}-doorbell" => {
      topic = topic, push_to = "start_jobs", ack_deadline_s = 60, dead_letters = true
    }
  }
  pulls = {
    for lane, topic in local.lanes : "${topic}-work" => {
      topic = topic, push_to = null, ack_deadline_s = 30, dead_letters = true
    }
  }
  subscriptions = merge(local.doorbells, local.pulls, {
    "heimdex-sweep-push" = {
      topic = "heimdex-sweep", push_to = "start_jobs", ack_deadline_s = 600, dead_letters = true
    }
    # How often an export may be tried, its row counts. The deadline is the longest there is: an
    # archive of a large library takes minutes.
    "heimdex-export-push" = {
      topic = "heimdex-export", push_to = "build_export", ack_deadline_s = 600, dead_letters = false
    }
    # Without a subscription a dead letter would be lost. It is pushed until it is taken.
    "heimdex-dead-letter-push" = {
      topic = local.dead_letter_topic, push_to = "dead_letter", ack_deadline_s = 60, dead_letters = false
    }
  })

  publishers = {
    for grant in concat(
      values(var.publishers), [{ topic = local.dead_letter_topic, member = var.pubsub_agent }]
    ) : grant.topic => grant.member...
  }
  subscribers = {
    for grant in concat(values(var.pullers), [
      for name, subscription in local.subscriptions : { subscription = name, member = var.pubsub_agent } if subscription.dead_letters
    ]) : grant.subscription => grant.member...
  }
}

resource "google_pubsub_topic" "this" {
  # checkov:skip=CKV_GCP_83: messages hold ids and nothing else; Google's own keys are enough for them.
  for_each = local.topics

  project = var.project_id
  name    = each.key
  # For a replay after a mistake of ours: subscriptions can be set back to a time.
  message_retention_duration = "${var.retention_days * 24 * 3600}s"

  message_storage_policy {
    allowed_persistence_regions = var.regions
  }
}

resource "google_pubsub_subscription" "this" {
  for_each = local.subscriptions

  project                    = var.project_id
  name                       = each.key
  topic                      = google_pubsub_topic.this[each.value.topic].id
  ack_deadline_seconds       = each.value.ack_deadline_s
  message_retention_duration = "604800s"

  # By default a subscription that nobody uses for 31 days disappears.
  expiration_policy {
    ttl = ""
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  dynamic "push_config" {
    for_each = each.value.push_to == null ? [] : [var.push_endpoints[each.value.push_to]]

    content {
      push_endpoint = push_config.value

      oidc_token {
        service_account_email = var.push_identity
        audience              = push_config.value
      }
    }
  }

  dynamic "dead_letter_policy" {
    for_each = each.value.dead_letters ? [1] : []

    content {
      dead_letter_topic     = google_pubsub_topic.this[local.dead_letter_topic].id
      max_delivery_attempts = 10
    }
  }
}

# Pub/Sub itself moves a message to the dead letters: it publishes it there, and acknowledges it
# where it came from. Authoritative for each role, as all grants on resources are.
resource "google_pubsub_topic_iam_binding" "publishers" {
  for_each = local.publishers

  project = var.project_id
  topic   = google_pubsub_topic.this[each.key].name
  role    = "roles/pubsub.publisher"
  members = each.value
}

resource "google_pubsub_subscription_iam_binding" "subscribers" {
  for_each = local.subscribers

  project      = var.project_id
  subscription = google_pubsub_subscription.this[each.key].name
  role         = "roles/pubsub.subscriber"
  members      = each.value
}
