variable "deletion_protection" {
  description = "Nobody deletes a secret while this is true."
  type        = bool
  default     = true
}

variable "project_id" {
  description = "Project of the secrets."
  type        = string
}

variable "readers" {
  description = "Who may read which secret; the key says the grant in words."
  type = map(object({
    member = string
    secret = string
  }))
  default = {}
}

variable "region" {
  description = "Where the values are kept."
  type        = string
}

variable "secrets" {
  description = "Name → what it is."
  type        = map(string)
}
