variable "project_id" {
  description = "Project of the topics."
  type        = string
}

variable "publishers" {
  description = "Who may publish where; the key says the grant in words."
  type = map(object({
    member = string
    topic  = string
  }))
  default = {}
}

variable "pubsub_agent" {
  description = "Pub/Sub's own service agent of the project, as a member."
  type        = string

  validation {
    condition     = endswith(var.pubsub_agent, "@gcp-sa-pubsub.iam.gserviceaccount.com")
    error_message = "serviceAccount:service-NUMBER@gcp-sa-pubsub.iam.gserviceaccount.com"
  }
}

variable "pullers" {
  description = "Who may pull from where; the key says the grant in words."
  type = map(object({
    member       = string
    subscription = string
  }))
  default = {}
}

variable "push_endpoints" {
  description = "Function (start_jobs, dead_letter, build_export) → its address."
  type        = map(string)

  validation {
    condition     = length(setsubtract(["start_jobs", "dead_letter", "build_export"], keys(var.push_endpoints))) == 0
    error_message = "Addresses of start_jobs, dead_letter and build_export are needed."
  }
}

variable "push_identity" {
  description = "Service account whose token comes with a push; all it may do is invoke those functions."
  type        = string
}

variable "regions" {
  description = "Where messages may be stored."
  type        = list(string)
}

variable "retention_days" {
  description = "How long topics keep messages, delivered or not."
  type        = number
  default     = 7

  validation {
    condition     = var.retention_days >= 1 && var.retention_days <= 31
    error_message = "Topics keep messages for up to 31 days."
  }
}
