variable "api_service" {
  description = "Cloud Run service behind the api function (a function of the 2nd generation is one, of the same name)."
  type        = string
}

variable "domain" {
  description = "Host name of page and /v1, such as heimdex.example.com. Null: Firebase Hosting, which brings a host name and a certificate of its own; a load balancer needs one."
  type        = string
  default     = null

  validation {
    condition     = var.domain == null || can(regex("^([a-z0-9]([-a-z0-9]*[a-z0-9])?\\.)+[a-z]{2,}$", var.domain))
    error_message = "The domain must be a host name in lower case, without scheme, port or final dot."
  }
}

variable "hosting_site" {
  description = "Name of the Firebase Hosting site, part of its address (SITE.web.app) and unique in the world. Null: the project id. Unused with a domain."
  type        = string
  default     = null
}

variable "max_body_bytes" {
  description = "Longest request body that the load balancer lets in. No video passes here (those go to Cloud Storage); the functions refuse more than 64 KiB themselves."
  type        = number
  default     = 65536
}

variable "name" {
  description = "Start of the names of all resources."
  type        = string
  default     = "heimdex"
}

variable "page" {
  description = "Cloud Run service that serves the page at /, and its region if it is not that of the functions. Null: no page; whatever is not /v1 gets the api function's 404."
  type = object({
    service = string
    region  = optional(string)
  })
  default = null
}

variable "page_headers" {
  description = "Headers added to every answer of the page. The functions set those of /v1 themselves (common/web/headers.py)."
  type        = map(string)
  default = {
    "Content-Security-Policy"   = "default-src 'self'; connect-src 'self' https://storage.googleapis.com https://identitytoolkit.googleapis.com https://securetoken.googleapis.com; img-src 'self' data: blob: https://storage.googleapis.com; media-src 'self' blob: https://storage.googleapis.com; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
    "Permissions-Policy"        = "camera=(), microphone=(), geolocation=()"
    "Referrer-Policy"           = "no-referrer"
    "Strict-Transport-Security" = "max-age=63072000; includeSubDomains"
    "X-Content-Type-Options"    = "nosniff"
  }
}

variable "project_id" {
  description = "Project that everything is made in."
  type        = string
}

variable "protection" {
  description = "Cloud Armor on the load balancer. Requests are counted per address and minute; behind one address of a mobile carrier are many people, so these only stop floods (each user's own limits are in the database). With enforce_waf = false the firewall's rules only log."
  type = object({
    enforce_waf         = optional(bool, true)
    requests_per_minute = optional(number, 1200)
    searches_per_minute = optional(number, 300)
  })
  default = {}
}

variable "region" {
  description = "Region of the api and search functions."
  type        = string
}

variable "search_service" {
  description = "Cloud Run service behind the search function."
  type        = string
}
