# Cloud Armor. Rules are tried by priority, and one that lets a request pass is the last: so everything
# that refuses comes before the rates, whose conforming requests pass.

locals {
  # The firewall's patterns look for code in what people type: a search for "select a photo, or 1=1",
  # quoted or not, or a video titled "<3", is no attack, and no text is ever made part of a statement
  # or a page (statements are parametrised, answers are JSON). So they look at addresses and headers of
  # requests that carry no text of people: never at a search and never at a body.
  no_text_of_people = "!request.path.startsWith('/v1/search') && (request.method == 'GET' || request.method == 'HEAD' || request.method == 'DELETE')"

  # Level 1 of 4: patterns that hardly ever meet honest requests.
  sensitivity = "{'sensitivity': 1}"

  waf = {
    1100 = { rules = ["scannerdetection-v33-stable", "protocolattack-v33-stable", "cve-canary"], everywhere = true }
    1200 = { rules = ["sqli-v33-stable", "xss-v33-stable"], everywhere = false }
    1300 = { rules = ["lfi-v33-stable", "rfi-v33-stable", "rce-v33-stable"], everywhere = false }
  }

  rates = {
    2000 = {
      what       = "Searches"
      expression = "request.path.startsWith('/v1/search')"
      per_minute = var.protection.searches_per_minute
    }
    2100 = {
      what       = "Requests"
      expression = "true"
      per_minute = var.protection.requests_per_minute
    }
  }
}

resource "google_compute_security_policy" "this" {
  # checkov:skip=CKV_GCP_73: rule 1100 has Log4j's patterns (cve-canary), in a dynamic block that checkov does not read.
  count = local.balanced ? 1 : 0

  project     = var.project_id
  name        = var.name
  description = "What the load balancer lets through to page and /v1."
  type        = "CLOUD_ARMOR"

  advanced_options_config {
    # Else braces and quotes of JSON look like code to the firewall's rules.
    json_parsing = "STANDARD"
    log_level    = "NORMAL"
  }

  adaptive_protection_config {
    layer_7_ddos_defense_config {
      enable = true
    }
  }

  rule {
    priority    = 1000
    action      = "deny(403)"
    description = "Bodies longer than any request of the API."

    match {
      expr {
        expression = "has(request.headers['content-length']) && int(request.headers['content-length']) > ${var.max_body_bytes}"
      }
    }
  }

  dynamic "rule" {
    for_each = local.waf
    content {
      priority    = tonumber(rule.key)
      action      = "deny(403)"
      description = "Google's rules ${join(", ", rule.value.rules)}."
      preview     = !var.protection.enforce_waf

      match {
        expr {
          expression = join(" && ", concat(
            rule.value.everywhere ? [] : [local.no_text_of_people],
            ["(${join(" || ", [for name in rule.value.rules : "evaluatePreconfiguredWaf('${name}', ${local.sensitivity})"])})"],
          ))
        }
      }
    }
  }

  dynamic "rule" {
    for_each = local.rates
    content {
      priority    = tonumber(rule.key)
      action      = "throttle"
      description = "${rule.value.what} per minute from one address."

      match {
        expr {
          expression = rule.value.expression
        }
      }

      rate_limit_options {
        conform_action = "allow"
        exceed_action  = "deny(429)"
        enforce_on_key = "IP"

        rate_limit_threshold {
          count        = rule.value.per_minute
          interval_sec = 60
        }
      }
    }
  }

  rule {
    priority    = 2147483647
    action      = "allow"
    description = "Whatever no rule refused."

    match {
      versioned_expr = "SRC_IPS_V1"
      config {
        src_ip_ranges = ["*"]
      }
    }
  }
}
