variable "connector" {
  description = "Machines of the functions' way into the network: each carries about 100 Mbit/s."
  type = object({
    machine_type  = optional(string, "e2-micro")
    min_instances = optional(number, 2)
    max_instances = optional(number, 3)
  })
  default = {}
}

variable "connector_range" {
  description = "The /28 of the functions' connector."
  type        = string
  default     = "10.8.0.0/28"

  validation {
    condition     = can(cidrhost(var.connector_range, 0)) && endswith(var.connector_range, "/28")
    error_message = "A connector needs a /28."
  }
}

variable "name" {
  description = "Of the network, and the prefix of what is in it."
  type        = string
  default     = "heimdex"
}

variable "project_id" {
  description = "Project of the network."
  type        = string
}

variable "region" {
  description = "Where the functions are."
  type        = string
}

variable "services_range" {
  description = "Addresses that Google's managed services (the database) take theirs from."
  type        = string
  default     = "10.16.0.0/20"

  validation {
    condition     = can(cidrhost(var.services_range, 0))
    error_message = "A CIDR range, such as 10.16.0.0/20."
  }
}

variable "subnets" {
  description = "A range for the jobs of each region. Direct VPC egress needs a /26 or larger."
  type        = map(string)

  validation {
    condition = alltrue([
      for range in values(var.subnets) : can(cidrhost(range, 0)) && tonumber(split("/", range)[1]) <= 26
    ])
    error_message = "Each range is a CIDR of /26 or larger."
  }
}
