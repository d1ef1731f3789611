resource "google_sql_database_instance" "this" {
  # checkov:skip=CKV_GCP_79: 16 is what the tests and a laptop run; a newer one comes when they do.
  # checkov:skip=CKV_GCP_108: only our own units connect; a look-up of their names delays each of them.
  # checkov:skip=CKV_GCP_109: a failed statement holds what people typed or said.
  # checkov:skip=CKV_GCP_110: the same for pgAudit. Who did what is in audit_events, without content.
  # checkov:skip=CKV_GCP_111: the same for all statements; those that change the schema are logged.
  # checkov:skip=CKV2_GCP_13: how long statements take, Query Insights tells without their values.
  project             = var.project_id
  name                = var.name
  region              = var.region
  database_version    = var.database_version
  deletion_protection = var.deletion_protection

  settings {
    tier              = var.tier
    edition           = "ENTERPRISE"
    availability_type = var.high_availability ? "REGIONAL" : "ZONAL"
    disk_type         = "PD_SSD"
    disk_size         = var.disk_gb
    disk_autoresize   = true
    # Above: of Terraform. This one: of the API, so that no console and no script deletes it either.
    deletion_protection_enabled = var.deletion_protection
    # Only through the Cloud SQL connectors: mutual TLS with a certificate of an hour, and IAM.
    connector_enforcement = "REQUIRED"

    # The disk grows for ever otherwise, at the cost of whoever forgot about a runaway table.
    disk_autoresize_limit = var.disk_limit_gb

    backup_configuration {
      enabled                        = true
      location                       = var.region
      start_time                     = "18:00" # 03:00 in Seoul
      point_in_time_recovery_enabled = true
      transaction_log_retention_days = var.backup_days

      backup_retention_settings {
        retained_backups = var.backup_days
        retention_unit   = "COUNT"
      }
    }

    ip_configuration {
      ipv4_enabled    = false
      private_network = var.network_id
      ssl_mode        = "TRUSTED_CLIENT_CERTIFICATE_REQUIRED"
    }

    maintenance_window {
      day          = 2 # Monday evening by UTC is Tuesday before dawn in Seoul
      hour         = 19
      update_track = var.maintenance_track
    }

    insights_config {
      query_insights_enabled  = true
      query_plans_per_minute  = 5
      query_string_length     = 1024
      record_application_tags = false
      record_client_address   = false
    }

    database_flags {
      name  = "cloudsql.iam_authentication"
      value = "on"
    }

    # Each instance of a function keeps up to ten; a test adds them up.
    database_flags {
      name  = "max_connections"
      value = tostring(var.max_connections)
    }

    # Our statements are short: compiling one takes longer than running it.
    database_flags {
      name  = "jit"
      value = "off"
    }

    # A process that is frozen inside a transaction holds its locks no longer (units ask for less).
    database_flags {
      name  = "idle_in_transaction_session_timeout"
      value = "60000"
    }

    # What people said, typed or are called never enters a log: statements are logged only where they
    # change the schema, failed ones not at all, and errors without the values that caused them.
    database_flags {
      name  = "log_statement"
      value = "ddl"
    }

    database_flags {
      name  = "log_min_duration_statement"
      value = "-1"
    }

    database_flags {
      name  = "log_min_error_statement"
      value = "panic"
    }

    database_flags {
      name  = "log_error_verbosity"
      value = "terse"
    }

    database_flags {
      name  = "log_min_messages"
      value = "warning"
    }

    database_flags {
      name  = "log_checkpoints"
      value = "on"
    }

    database_flags {
      name  = "log_connections"
      value = "on"
    }

    database_flags {
      name  = "log_disconnections"
      value = "on"
    }

    database_flags {
      name  = "log_lock_waits"
      value = "on"
    }

    database_flags {
      name  = "log_temp_files"
      value = "0"
    }
  }

  lifecycle {
    # It grows by itself; a plan must not want it smaller.
    ignore_changes = [settings[0].disk_size]
  }
}

resource "google_sql_database" "this" {
  project   = var.project_id
  name      = var.database
  instance  = google_sql_database_instance.this.name
  charset   = "UTF8"
  collation = "en_US.UTF8"
  # It goes with its instance. Alone it could not: it is in use, and has owners.
  deletion_policy = "ABANDON"
}

# A login for each identity, without a password. What it may do there, the migrate job says: see the
# README. Deleting an IAM user that owns something fails, so its login is given up, not dropped.
resource "google_sql_user" "this" {
  for_each = var.logins

  project         = var.project_id
  name            = each.value
  instance        = google_sql_database_instance.this.name
  type            = "CLOUD_IAM_SERVICE_ACCOUNT"
  deletion_policy = "ABANDON"
}
