variable "backup_days" {
  description = "Daily backups and transaction logs are kept this long; what was erased is gone from them after it."
  type        = number
  default     = 7

  validation {
    condition     = var.backup_days >= 1 && var.backup_days <= 7
    error_message = "The edition keeps transaction logs for 1 to 7 days."
  }
}

variable "database" {
  description = "Name of the database."
  type        = string
  default     = "heimdex"
}

variable "database_version" {
  description = "PostgreSQL, in a version that has pgvector 0.8 on Cloud SQL."
  type        = string
  default     = "POSTGRES_16"

  validation {
    condition     = contains(["POSTGRES_16", "POSTGRES_17"], var.database_version)
    error_message = "Migrations need PostgreSQL 16 (roles that their makers administer) or newer."
  }
}

variable "deletion_protection" {
  description = "Nobody deletes the instance while this is true: not Terraform, not the console."
  type        = bool
  default     = true
}

variable "disk_gb" {
  description = "Size at first; it grows."
  type        = number
  default     = 20
}

variable "disk_limit_gb" {
  description = "It grows no further than this."
  type        = number
  default     = 500
}

variable "high_availability" {
  description = "Whether a second zone stands by."
  type        = bool
  default     = false
}

variable "logins" {
  description = "Unit → its IAM login (a service account's address without .gserviceaccount.com)."
  type        = map(string)
  default     = {}
}

variable "maintenance_track" {
  description = "canary gets maintenance first, stable a week later, week5 after five weeks."
  type        = string
  default     = "stable"

  validation {
    condition     = contains(["canary", "stable", "week5"], var.maintenance_track)
    error_message = "One of canary, stable, week5."
  }
}

variable "max_connections" {
  description = "How many at once: a few MB of memory each, and a restart when it changes."
  type        = number
  default     = 200
}

variable "name" {
  description = "Of the instance. A name cannot be used again for a week after its deletion."
  type        = string
  default     = "heimdex"
}

variable "network_id" {
  description = "Network in which it has its only address."
  type        = string
}

variable "project_id" {
  description = "Project of the instance."
  type        = string
}

variable "region" {
  description = "Where the data and its backups are."
  type        = string
}

variable "tier" {
  description = "Machine type: db-custom-CPUS-MEMORY_MB, or db-f1-micro and db-g1-small to try things out."
  type        = string

  validation {
    condition     = can(regex("^db-(custom-[0-9]+-[0-9]+|f1-micro|g1-small)$", var.tier))
    error_message = "db-custom-CPUS-MEMORY_MB, db-f1-micro or db-g1-small."
  }
}
