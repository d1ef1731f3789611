# Accounts of the people who use Heimdex. The configuration is the project's only one and cannot be
# deleted: destroying the environment leaves it as it is.
resource "google_identity_platform_config" "this" {
  project            = var.project_id
  authorized_domains = var.authorized_domains

  sign_in {
    allow_duplicate_emails = false

    # Without a required password, links by mail work too.
    email {
      enabled           = true
      password_required = false
    }

    anonymous {
      enabled = false
    }
  }

  client {
    permissions {
      disabled_user_signup = !var.open_registration
      # An account ends through DELETE /v1/me, which erases everything of it; a client that deleted
      # only the sign-in would leave all else behind.
      disabled_user_deletion = true
    }
  }

  monitoring {
    request_logging {
      enabled = true
    }
  }
}
