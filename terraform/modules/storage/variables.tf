variable "buckets" {
  description = <<-EOT
    What it holds → the bucket. `delete_after`: prefix → days after which an object is deleted that
    should have been deleted before. `soft_delete_days`: how long deleted objects can be brought
    back; 0 where users' data is.
  EOT
  type = map(object({
    cors_methods     = optional(list(string), [])
    delete_after     = optional(map(number), {})
    location         = string
    name             = string
    soft_delete_days = number
    versioning       = optional(bool, false)
  }))

  validation {
    condition     = alltrue([for bucket in values(var.buckets) : bucket.soft_delete_days == 0 || bucket.soft_delete_days >= 7])
    error_message = "Cloud Storage keeps deleted objects for 7 to 90 days, or not at all (0)."
  }

  validation {
    condition     = alltrue([for bucket in values(var.buckets) : !bucket.versioning || bucket.soft_delete_days > 0])
    error_message = "A bucket without soft delete is one whose deletions are final: versions would undo that."
  }
}

variable "cors_headers" {
  description = "Headers that a browser may send with a signed request, and may read of its answer."
  type        = list(string)
  default = [
    "content-length", "content-range", "content-type", "etag", "location", "range", "x-goog-content-length-range",
    "x-goog-generation", "x-goog-hash", "x-goog-if-generation-match", "x-goog-resumable",
  ]
}

variable "force_destroy" {
  description = "Whether destroying an environment deletes buckets that still hold objects."
  type        = bool
  default     = false
}

variable "grants" {
  description = "Rights on single buckets, or on a part of one; the key says the grant in words."
  type = map(object({
    bucket = string
    condition = optional(object({
      description = string
      expression  = string
      title       = string
    }))
    member = string
    role   = string
  }))
  default = {}
}

variable "project_id" {
  description = "Project of the buckets."
  type        = string
}

variable "web_origins" {
  description = "Origins of pages that upload to and play from the buckets, such as https://heimdex.example."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for origin in var.web_origins : can(regex("^https?://[^/*]+$", origin))])
    error_message = "Origins: scheme and host, without a path and without *."
  }
}
