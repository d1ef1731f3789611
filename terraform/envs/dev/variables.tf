variable "authorized_domains" {
  description = "Hosts that sign-in may return to."
  type        = list(string)
  default     = []
}

variable "budget" {
  description = "Monthly budget; null: none."
  type = object({
    amount          = number
    billing_account = string
    currency        = optional(string)
  })
  default = null
}

variable "database_tier" {
  description = "Machine type of the database."
  type        = string
  default     = "db-custom-1-3840"
}

variable "deletion_protection" {
  description = "Whether what holds data can be destroyed. Apply with false before destroying, on purpose."
  type        = bool
  default     = true
}

variable "domain" {
  description = "Host of page and /v1. Null: Firebase Hosting's."
  type        = string
  default     = null
}

variable "function_sources" {
  description = "Folder under functions/ → name of its source in the sources bucket. Written by a release."
  type        = map(string)
  default     = {}
}

variable "gpu_region" {
  description = "Where the gpu lane runs if the profile is gpu."
  type        = string
  default     = "asia-southeast1"
}

variable "job_image" {
  description = "Image of all jobs, by digest. Written by a release."
  type        = string
  default     = null
}

variable "notification_emails" {
  description = "Who is told of alerts, and warned of the budget."
  type        = set(string)
  default     = []
}

variable "operators" {
  description = "Members (group:… or user:…) that may run the operators' command."
  type        = set(string)
  default     = []
}

variable "profile" {
  description = "Which models: gpu, cpu or offline."
  type        = string
  default     = "gpu"
}

variable "project_id" {
  description = "Project of the environment."
  type        = string
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
  description = "Size of the search function; see modules/environment."
  type = object({
    concurrency   = optional(number)
    cpu           = optional(string)
    max_instances = optional(number)
    memory        = optional(string)
    min_instances = optional(number)
  })
  default = {}
}

variable "settings" {
  description = "More settings of all units, by the name of their environment variable."
  type        = map(string)
  default     = {}
}

variable "web_origins" {
  description = "Origins of further pages that use the API and the buckets."
  type        = list(string)
  default     = []
}
