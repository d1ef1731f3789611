resource "google_sql_database_instance" "this" {
  # checkov:skip=CKV2_GCP_20: that rule is about MySQL.
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

    dynamic "database_flags" {
      for_each = local.flags

      content {
        name  = database_flags.key
        value = database_flags.value
      }
    }
  }

  lifecycle {
    # It grows by itself; a plan must not want it smaller.
    ignore_changes = [settings[0].disk_size]
  }
}

locals {
  flags = merge({
    "cloudsql.iam_authentication" = "on"
    # Our statements are short: compiling one takes longer than running it.
    "jit" = "off"
    # Statements and their values never enter a log (no transcript, no name does).
    "log_statement"                       = "ddl"
    "log_min_duration_statement"          = "-1"
    "log_min_error_statement"             = "panic"
    "log_parameter_max_length"            = "0"
    "log_checkpoints"                     = "on"
    "log_connections"                     = "on"
    "log_disconnections"                  = "on"
    "log_lock_waits"                      = "on"
    "log_temp_files"                      = "0"
    "log_hostname"                        = "off"
    "log_min_messages"                    = "warning"
    "log_error_verbosity"                 = "terse"
    "statement_timeout"                   = "600000"
    "idle_in_transaction_session_timeout" = "60000"
  }, var.flags)
}

resource "google_sql_database" "this" {
  project   = var.project_id
  name      = var.database
  instance  = google_sql_database_instance.this.name
  charset   = "UTF8"
  collation = "en_US.UTF8"
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
