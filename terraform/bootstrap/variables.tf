variable "approval_required" {
  description = "Whether a build that applies waits until somebody approves it in the console."
  type        = bool
  default     = false
}

variable "branch" {
  description = "The branch whose pushes are applied to this environment. Null: the one of the environment's name."
  type        = string
  default     = null
}

variable "check_other_branches" {
  description = "Whether pushes to other branches are checked and planned here."
  type        = bool
  default     = true
}

variable "environment" {
  description = "Name of the environment: a folder under terraform/envs."
  type        = string
}

variable "project_id" {
  description = "Project of the environment. It must exist and have a billing account."
  type        = string
}

variable "region" {
  description = "Region of the state bucket and the builds."
  type        = string
  default     = "asia-northeast3"
}

variable "repository" {
  description = "Connected repository, projects/P/locations/L/connections/C/repositories/R. Null: no triggers yet."
  type        = string
  default     = null
}

variable "state_bucket" {
  description = "Name of the state bucket. Null: PROJECT-terraform-state."
  type        = string
  default     = null
}

variable "substitutions" {
  description = "Further substitutions for cloudbuild.yaml, such as { _URL = \"https://heimdex.example.com\" }."
  type        = map(string)
  default     = {}
}
