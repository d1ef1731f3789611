# Firebase Hosting: a host name and a certificate at no price. No Cloud Armor, and the functions have
# to take requests from the internet, so it is meant for development.

resource "google_firebase_hosting_site" "this" {
  count    = local.balanced ? 0 : 1
  provider = google-beta

  project = var.project_id
  site_id = coalesce(var.hosting_site, var.project_id)
}

resource "google_firebase_hosting_version" "this" {
  count    = local.balanced ? 0 : 1
  provider = google-beta

  site_id = google_firebase_hosting_site.this[0].site_id

  config {
    # The first rule that fits is taken: the narrow one comes first.
    rewrites {
      regex = "^/v1/search(/.*)?$"
      run {
        service_id = local.services.search.service
        region     = local.services.search.region
      }
    }

    rewrites {
      regex = "^/v1(/.*)?$"
      run {
        service_id = local.services.api.service
        region     = local.services.api.region
      }
    }

    rewrites {
      glob = "**"
      run {
        service_id = local.services[local.fallback].service
        region     = local.services[local.fallback].region
      }
    }

    dynamic "headers" {
      for_each = var.page == null ? [] : [var.page_headers]
      content {
        # Everything but /v1, whose functions set their own.
        regex   = "^/($|[^v]|v[^1]|v1[^/])"
        headers = headers.value
      }
    }
  }
}

resource "google_firebase_hosting_release" "this" {
  count    = local.balanced ? 0 : 1
  provider = google-beta

  site_id      = google_firebase_hosting_site.this[0].site_id
  version_name = google_firebase_hosting_version.this[0].name
  message      = "Routes of page and /v1"
}
