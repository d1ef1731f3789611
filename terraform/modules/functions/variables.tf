variable "build" {
  description = "What Cloud Build makes the images with: as whom, from which bucket, into which repository."
  type = object({
    docker_repository = string
    service_account   = string
    source_bucket     = string
  })
}

variable "environment" {
  description = "Environment variables of every function."
  type        = map(string)
  default     = {}
}

variable "functions" {
  description = <<-EOT
    Folder under functions/ (also the entry point) → its deployment. `secrets`: environment variable →
    secret id. `public`: anybody may call it; else only `invokers`, as members. `finalized_bucket`:
    called for every object that is complete in that bucket, as `event_identity`.
  EOT
  type = map(object({
    concurrency      = optional(number, 1)
    cpu              = optional(string, "1")
    description      = string
    environment      = optional(map(string), {})
    event_identity   = optional(string)
    finalized_bucket = optional(string)
    ingress          = optional(string, "ALLOW_INTERNAL_ONLY")
    invokers         = optional(list(string), [])
    max_instances    = optional(number, 10)
    memory           = optional(string, "512Mi")
    min_instances    = optional(number, 0)
    public           = optional(bool, false)
    secrets          = optional(map(string), {})
    service_account  = string
    source_object    = string
    timeout_s        = optional(number, 60)
  }))

  validation {
    condition     = alltrue([for f in values(var.functions) : endswith(f.source_object, ".zip")])
    error_message = "Sources are .zip objects."
  }

  validation {
    condition     = alltrue([for f in values(var.functions) : !(f.public && length(f.invokers) > 0)])
    error_message = "A function is public or has invokers, not both."
  }
}

variable "project_id" {
  description = "Project of the functions."
  type        = string
}

variable "region" {
  description = "Where the functions are: that of the uploads bucket, whose events one of them gets."
  type        = string
}

variable "vpc_connector" {
  description = "Id of the connector to the database's network."
  type        = string
}
