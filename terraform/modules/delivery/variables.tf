variable "approval_required" {
  description = "Whether a build that applies waits until somebody approves it in the console."
  type        = bool
  default     = false
}

variable "branch" {
  description = "The branch whose pushes are applied to this environment. Pushes to all others are only checked and planned."
  type        = string
}

variable "check_other_branches" {
  description = "Whether pushes to other branches are built here at all. One environment is enough for that."
  type        = bool
  default     = true
}

variable "delegable_roles" {
  description = "Roles that the deployer may grant or take away on the project; a grant of any other is refused. What begins with heimdex. is a custom role of the project."
  type        = set(string)
  default = [
    "heimdex.accountEraser",
    "heimdex.accountReader",
    "roles/cloudsql.client",
    "roles/cloudsql.instanceUser",
    "roles/eventarc.eventReceiver",
    "roles/logging.logWriter",
    "roles/pubsub.publisher",
    "roles/storage.objectViewer",
    "roles/telemetry.tracesWriter",
  ]

  validation {
    condition     = length(setintersection(var.delegable_roles, ["roles/owner", "roles/editor", "roles/resourcemanager.projectIamAdmin", "roles/iam.serviceAccountTokenCreator"])) == 0
    error_message = "With such a role the deployer could give itself every right."
  }

  validation {
    condition     = length(var.delegable_roles) <= 10
    error_message = "An IAM condition compares with ten roles at most."
  }
}

variable "environment" {
  description = "Name of the environment: the folder under terraform/envs that is planned and applied."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,11}$", var.environment))
    error_message = "An environment's name is 2 to 12 lower-case letters, digits and hyphens."
  }
}

variable "name" {
  description = "Start of the names of all resources."
  type        = string
  default     = "heimdex"
}

variable "project_id" {
  description = "Project of the environment."
  type        = string
}

variable "region" {
  description = "Region that builds run in, and the repository is connected in."
  type        = string
}

variable "repository" {
  description = "Connected repository, projects/P/locations/L/connections/C/repositories/R. Null: no triggers; deployments are made by hand."
  type        = string
  default     = null

  validation {
    condition     = var.repository == null || can(regex("^projects/[^/]+/locations/[^/]+/connections/[^/]+/repositories/[^/]+$", var.repository))
    error_message = "The repository must be projects/P/locations/L/connections/C/repositories/R."
  }
}

variable "state_bucket" {
  description = "Bucket of Terraform's state."
  type        = string
}

variable "substitutions" {
  description = "Further substitutions for cloudbuild.yaml; names start with an underscore."
  type        = map(string)
  default     = {}
}
