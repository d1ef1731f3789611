variable "account_grants" {
  description = "Rights on single service accounts; the key says the grant in words."
  type = map(object({
    account = string
    member  = string
    role    = string
  }))
  default = {}
}

variable "accounts" {
  description = "Name → what it is for. One per unit; signers are accounts that nothing runs as."
  type        = map(string)

  validation {
    condition     = alltrue([for name in keys(var.accounts) : can(regex("^[a-z][a-z_]{1,21}$", name))])
    error_message = "Lower-case words joined by _, short enough for an account id of 30 characters."
  }
}

variable "authorized_domains" {
  description = "Hosts that sign-in may return to."
  type        = list(string)
  default     = []
}

variable "custom_roles" {
  description = "Name (camelCase) → permissions of a role that this project defines."
  type = map(object({
    description = string
    permissions = list(string)
  }))
  default = {}
}

variable "open_registration" {
  description = "Whether anybody may make an account."
  type        = bool
  default     = true
}

variable "project_grants" {
  description = "Rights that exist only on a whole project; the key says the grant in words."
  type = map(object({
    member = string
    role   = string
    condition = optional(object({
      description = string
      expression  = string
      title       = string
    }))
  }))
  default = {}

  validation {
    condition     = alltrue([for grant in values(var.project_grants) : !can(regex("^roles/(owner|editor|viewer)$", grant.role))])
    error_message = "Basic roles are far too broad."
  }
}

variable "project_id" {
  description = "Project of the accounts."
  type        = string
}
