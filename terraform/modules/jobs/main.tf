resource "google_cloud_run_v2_job" "this" {
  for_each = var.jobs

  project             = var.project_id
  location            = each.value.region
  name                = "heimdex-${replace(each.key, "_", "-")}"
  deletion_protection = var.deletion_protection

  template {
    task_count  = 1
    parallelism = 1

    template {
      service_account               = each.value.service_account
      timeout                       = "${each.value.timeout_s}s"
      max_retries                   = each.value.max_retries
      execution_environment         = "EXECUTION_ENVIRONMENT_GEN2"
      gpu_zonal_redundancy_disabled = each.value.gpu == null ? null : true

      dynamic "node_selector" {
        for_each = each.value.gpu == null ? [] : [each.value.gpu]

        content {
          accelerator = node_selector.value
        }
      }

      containers {
        image   = each.value.image
        command = each.value.command
        args    = each.value.args

        resources {
          limits = merge(
            { cpu = each.value.cpu, memory = each.value.memory },
            each.value.gpu == null ? {} : { "nvidia.com/gpu" = "1" },
          )
        }

        dynamic "env" {
          for_each = merge(var.environment, each.value.environment)

          content {
            name  = env.key
            value = env.value
          }
        }
      }

      dynamic "vpc_access" {
        for_each = each.value.subnet == null ? [] : [each.value.subnet]

        content {
          # All of it: in a network without Cloud NAT the internet cannot be reached.
          egress = "ALL_TRAFFIC"

          network_interfaces {
            network    = var.network
            subnetwork = vpc_access.value
          }
        }
      }
    }
  }
}

# Authoritative for each role.
resource "google_cloud_run_v2_job_iam_binding" "this" {
  for_each = { for grant in values(var.grants) : "${grant.job} ${grant.role}" => grant... }

  project  = var.project_id
  location = google_cloud_run_v2_job.this[each.value[0].job].location
  name     = google_cloud_run_v2_job.this[each.value[0].job].name
  role     = each.value[0].role
  members  = each.value[*].member
}
