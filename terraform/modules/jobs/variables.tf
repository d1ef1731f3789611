variable "deletion_protection" {
  description = "Whether Terraform refuses to delete jobs. They hold nothing: off by default."
  type        = bool
  default     = false
}

variable "environment" {
  description = "Environment variables of every job."
  type        = map(string)
  default     = {}
}

variable "grants" {
  description = "Who may run which job; the key says the grant in words."
  type = map(object({
    job    = string
    member = string
    role   = string
  }))
  default = {}
}

variable "jobs" {
  description = "Name → job. `subnet`: its way to the database; without one it reaches the internet instead."
  type = map(object({
    args            = optional(list(string))
    command         = optional(list(string))
    cpu             = string
    environment     = optional(map(string), {})
    gpu             = optional(string)
    image           = string
    max_retries     = number
    memory          = string
    region          = string
    service_account = string
    subnet          = optional(string)
    timeout_s       = number
  }))

  validation {
    condition     = alltrue([for job in values(var.jobs) : job.gpu == null || job.timeout_s <= 3000])
    error_message = "A GPU task is given at most 50 minutes: Cloud Run ends it after an hour, and maintenance before."
  }
}

variable "network" {
  description = "Network of the subnets."
  type        = string
}

variable "project_id" {
  description = "Project of the jobs."
  type        = string
}
