variable "grants" {
  description = "Rights on single repositories; the key says the grant in words."
  type = map(object({
    member     = string
    repository = string
    role       = string
  }))
  default = {}
}

variable "keep_count" {
  description = "So many versions of each image stay, however old: one can roll back to them."
  type        = number
  default     = 10
}

variable "keep_days" {
  description = "Other versions go after this long."
  type        = number
  default     = 30
}

variable "project_id" {
  description = "Project of the repositories."
  type        = string
}

variable "repositories" {
  description = "Name → repository for container images. Cloud Functions moves tags, so its tags cannot be immutable."
  type = map(object({
    description    = string
    immutable_tags = optional(bool, true)
    location       = string
  }))
}
