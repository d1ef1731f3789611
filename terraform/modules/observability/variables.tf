variable "api_host" {
  description = "Host that serves /v1, without a scheme. Checked from outside, with its certificate."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\\.[a-z0-9-]+)+$", var.api_host))
    error_message = "A host name, such as api.example.com: no scheme, no path."
  }
}

variable "budget" {
  description = "Monthly budget of the project, in units of the billing account's currency; null: none. A budget tells, it does not stop anything."
  type = object({
    amount          = number
    billing_account = string
    currency        = optional(string, "USD")
  })
  default = null

  validation {
    condition     = try(var.budget.amount >= 1 && floor(var.budget.amount) == var.budget.amount, var.budget == null)
    error_message = "A whole amount of at least 1."
  }
}

variable "database_instance" {
  description = "Name of the Cloud SQL instance; \"\" leaves its alerts and tiles out."
  type        = string
  default     = ""
}

variable "dead_letter_subscription" {
  description = "Subscription on the dead-letter topic."
  type        = string
  default     = "heimdex-dead-letter-push"
}

variable "functions" {
  description = "Function, as its folder is called → name of its Cloud Run service."
  type        = map(string)

  validation {
    condition     = alltrue([for name in ["api", "search", "start_jobs"] : contains(keys(var.functions), name)])
    error_message = "At least api, search and start_jobs."
  }
}

variable "jobs" {
  description = "Lane → name of its Cloud Run job."
  type        = map(string)

  validation {
    condition     = length(var.jobs) > 0
    error_message = "At least one."
  }
}

variable "notification_emails" {
  description = "Who is told, and warned of the budget."
  type        = set(string)
  default     = []
}

variable "objectives" {
  description = "What people are promised over 28 days: shares of requests that are answered and that are fast enough, of videos that can be searched in time, and what fast and in time mean."
  type = object({
    availability       = optional(number, 0.995)
    api_ms             = optional(number, 1000)
    api_fast           = optional(number, 0.95)
    search_ms          = optional(number, 1500)
    search_fast        = optional(number, 0.95)
    searchable_s       = optional(number, 900)
    searchable_in_time = optional(number, 0.95)
  })
  default = {}
}

variable "project_id" {
  description = "Project that is watched."
  type        = string
}

variable "runbook_base_url" {
  description = "Where docs/runbooks can be read, without a trailing slash; NAME.md is added."
  type        = string

  validation {
    condition     = can(regex("^https://[^ ]+[^/ ]$", var.runbook_base_url))
    error_message = "An https URL without a trailing slash."
  }
}
