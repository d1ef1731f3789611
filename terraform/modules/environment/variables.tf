variable "api" {
  description = "Size of the API function."
  type = object({
    concurrency   = optional(number, 10)
    cpu           = optional(string, "1")
    max_instances = optional(number, 20)
    memory        = optional(string, "1Gi")
    min_instances = optional(number, 0)
  })
  default = {}
}

variable "authorized_domains" {
  description = "Hosts that sign-in may return to."
  type        = list(string)
  default     = []
}

variable "budget" {
  description = "Monthly budget, in units of the billing account's currency; null: none. It tells, and stops nothing."
  type = object({
    amount          = number
    billing_account = string
    currency        = optional(string, "USD")
  })
  default = null
}

variable "database" {
  description = "Size and care of the database."
  type = object({
    backup_days       = optional(number, 7)
    disk_gb           = optional(number, 20)
    disk_limit_gb     = optional(number, 500)
    high_availability = optional(bool, false)
    maintenance_track = optional(string, "stable")
    max_connections   = optional(number, 200)
    tier              = string
  })
}

variable "deletion_protection" {
  description = "Whether what holds data (database, buckets, secrets) can be destroyed. Turn it off first, on purpose."
  type        = bool
  default     = true
}

variable "domain" {
  description = "Host of page and /v1, with a load balancer and Cloud Armor. Null: Firebase Hosting, without them."
  type        = string
  default     = null
}

variable "front_door" {
  description = "Limits of Cloud Armor; see modules/edge."
  type = object({
    enforce_waf         = optional(bool, true)
    requests_per_minute = optional(number, 1200)
    searches_per_minute = optional(number, 300)
  })
  default = {}
}

variable "function_sources" {
  description = "Folder under functions/ → name of its source in the sources bucket, which carries the content's hash."
  type        = map(string)
  default     = {}

  validation {
    condition = alltrue([
      for name, object in var.function_sources : can(regex("^functions/${name}/[0-9a-z-]+\\.zip$", object))
    ])
    error_message = "Names are functions/NAME/HASH.zip."
  }
}

variable "gpu_job" {
  description = "Size of the gpu lane's job. Its models lie in memory beside what they are loaded into."
  type = object({
    cpu    = optional(string, "8")
    memory = optional(string, "32Gi")
  })
  default = {}

  validation {
    condition     = tonumber(var.gpu_job.cpu) >= 4 && tonumber(trimsuffix(var.gpu_job.memory, "Gi")) >= 16
    error_message = "With an L4, Cloud Run gives no less than 4 CPUs and 16Gi."
  }
}

variable "gpu_region" {
  description = "Where the gpu lane runs if the profile is gpu: Cloud Run has L4s in few regions, and not in Seoul."
  type        = string
  default     = "asia-southeast1"

  validation {
    condition = contains(
      ["asia-south1", "asia-southeast1", "europe-west1", "europe-west4", "us-central1", "us-east4"], var.gpu_region
    )
    error_message = "Cloud Run has no L4 there (see terraform/README.md)."
  }
}

variable "job_image" {
  description = "Image of all jobs, by digest. Until one is pushed: a name that nothing has."
  type        = string
  default     = null

  validation {
    condition     = var.job_image == null || can(regex("@sha256:[0-9a-f]{64}$", var.job_image))
    error_message = "By digest (…@sha256:…): a tag can move, and a rollback could not."
  }
}

variable "media_job" {
  description = "Size of the media lane's job."
  type = object({
    cpu    = optional(string, "2")
    memory = optional(string, "4Gi")
  })
  default = {}
}

variable "notification_emails" {
  description = "Who is told of alerts, and warned of the budget."
  type        = set(string)
  default     = []
}

variable "open_registration" {
  description = "Whether anybody may make an account."
  type        = bool
  default     = true
}

variable "operators" {
  description = "Members (group:… or user:…) that may run the operators' command."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for member in var.operators : can(regex("^(group|user):[^@\\s]+@[^@\\s]+$", member))])
    error_message = "Members are group:ADDRESS or user:ADDRESS."
  }
}

variable "paused" {
  description = "Whether the sweep rests, as during a restore."
  type        = bool
  default     = false
}

variable "profile" {
  description = "Which models: gpu (on an L4), cpu, or offline (no downloads; knows little)."
  type        = string
  default     = "gpu"

  validation {
    condition     = contains(["gpu", "cpu", "offline"], var.profile)
    error_message = "One of gpu, cpu, offline."
  }
}

variable "project_id" {
  description = "Project of the environment. Buckets carry its name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "A project id: 6 to 30 of a-z, 0-9 and -."
  }
}

variable "region" {
  description = "Where data is stored, and everything but the gpu lane runs."
  type        = string
  default     = "asia-northeast3"

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "A region, such as asia-northeast3 (not a zone, not a multi-region)."
  }
}

variable "runbook_base_url" {
  description = "Where docs/runbooks can be read; alerts link there."
  type        = string
}

variable "search" {
  description = "Size of the search function. Its text towers lie in memory twice: as files, and loaded."
  type = object({
    concurrency   = optional(number, 8)
    cpu           = optional(string, "4")
    max_instances = optional(number, 5)
    memory        = optional(string, "16Gi")
    min_instances = optional(number, 1)
  })
  default = {}
}

variable "settings" {
  description = "More settings of all units, by the name of their environment variable (common/config.py)."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.settings) : startswith(name, "HEIMDEX_")])
    error_message = "Settings are named HEIMDEX_…"
  }
}

variable "web_origins" {
  description = "Origins of further pages that use the API and the buckets, beside the environment's own."
  type        = list(string)
  default     = []
}
