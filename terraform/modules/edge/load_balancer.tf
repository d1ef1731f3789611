# Global external Application Load Balancer: serverless backends, HTTPS only, Cloud Armor on every one.

locals {
  backends = local.balanced ? local.services : {}
}

resource "google_compute_region_network_endpoint_group" "this" {
  for_each = local.backends

  project               = var.project_id
  name                  = "${var.name}-${each.key}"
  region                = each.value.region
  network_endpoint_type = "SERVERLESS"

  cloud_run {
    service = each.value.service
  }
}

resource "google_compute_backend_service" "this" {
  for_each = local.backends

  project               = var.project_id
  name                  = "${var.name}-${each.key}"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  protocol              = "HTTPS"
  security_policy       = google_compute_security_policy.this[0].id

  custom_response_headers = each.key == "page" ? [
    for name, value in var.page_headers : "${name}: ${value}"
  ] : null

  backend {
    group = google_compute_region_network_endpoint_group.this[each.key].id
  }

  # The address of a search holds what somebody looks for; no log gets to see it.
  log_config {
    enable      = each.key != "search"
    sample_rate = each.key != "search" ? 1 : null
  }
}

resource "google_compute_url_map" "https" {
  count = local.balanced ? 1 : 0

  project         = var.project_id
  name            = var.name
  default_service = google_compute_backend_service.this[local.fallback].id

  host_rule {
    hosts        = [var.domain]
    path_matcher = "paths"
  }

  path_matcher {
    name            = "paths"
    default_service = google_compute_backend_service.this[local.fallback].id

    # The longest path that fits is taken, in whatever order they are.
    path_rule {
      paths   = local.search_paths
      service = google_compute_backend_service.this["search"].id
    }

    path_rule {
      paths   = local.api_paths
      service = google_compute_backend_service.this["api"].id
    }
  }

  test {
    host    = var.domain
    path    = "/v1/search"
    service = google_compute_backend_service.this["search"].id
  }

  test {
    host    = var.domain
    path    = "/v1/searches"
    service = google_compute_backend_service.this["api"].id
  }

  test {
    host    = var.domain
    path    = "/v1/videos/1"
    service = google_compute_backend_service.this["api"].id
  }

  test {
    host    = var.domain
    path    = "/"
    service = google_compute_backend_service.this[local.fallback].id
  }
}

resource "google_compute_managed_ssl_certificate" "this" {
  count = local.balanced ? 1 : 0

  project = var.project_id
  # Another domain is another certificate, made before the old one goes.
  name = "${var.name}-${substr(sha256(var.domain), 0, 8)}"

  managed {
    domains = [var.domain]
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "google_compute_ssl_policy" "this" {
  count = local.balanced ? 1 : 0

  project         = var.project_id
  name            = var.name
  profile         = "MODERN"
  min_tls_version = "TLS_1_2"
}

resource "google_compute_target_https_proxy" "this" {
  count = local.balanced ? 1 : 0

  project          = var.project_id
  name             = var.name
  url_map          = google_compute_url_map.https[0].id
  ssl_certificates = [google_compute_managed_ssl_certificate.this[0].id]
  ssl_policy       = google_compute_ssl_policy.this[0].id
}

resource "google_compute_global_address" "this" {
  count = local.balanced ? 1 : 0

  project = var.project_id
  name    = var.name
}

resource "google_compute_global_forwarding_rule" "https" {
  count = local.balanced ? 1 : 0

  project               = var.project_id
  name                  = "${var.name}-https"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  ip_address            = google_compute_global_address.this[0].id
  port_range            = "443"
  target                = google_compute_target_https_proxy.this[0].id
}

# Port 80 answers with nothing but where the page has moved.
resource "google_compute_url_map" "redirect" {
  count = local.balanced ? 1 : 0

  project = var.project_id
  name    = "${var.name}-redirect"

  default_url_redirect {
    https_redirect         = true
    redirect_response_code = "MOVED_PERMANENTLY_DEFAULT"
    strip_query            = false
  }
}

resource "google_compute_target_http_proxy" "redirect" {
  count = local.balanced ? 1 : 0

  project = var.project_id
  name    = "${var.name}-redirect"
  url_map = google_compute_url_map.redirect[0].id
}

resource "google_compute_global_forwarding_rule" "redirect" {
  count = local.balanced ? 1 : 0

  project               = var.project_id
  name                  = "${var.name}-redirect"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  ip_address            = google_compute_global_address.this[0].id
  port_range            = "80"
  target                = google_compute_target_http_proxy.redirect[0].id
}
