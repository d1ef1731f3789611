variable "apis" {
  description = "Short names of the APIs to enable, without .googleapis.com."
  type        = set(string)
  default = [
    "artifactregistry", "billingbudgets", "cloudbuild", "cloudfunctions", "cloudresourcemanager", "cloudscheduler",
    "cloudtrace", "compute", "containerscanning", "eventarc", "firebase", "firebasehosting", "iam", "iamcredentials",
    "identitytoolkit", "logging", "monitoring", "pubsub", "run", "secretmanager", "servicenetworking", "serviceusage",
    "sqladmin", "storage", "telemetry", "vpcaccess",
  ]

  validation {
    condition     = alltrue([for api in var.apis : can(regex("^[a-z]+$", api))])
    error_message = "Short names, such as run or sqladmin."
  }
}

variable "project_id" {
  description = "Project whose APIs are enabled."
  type        = string
}
