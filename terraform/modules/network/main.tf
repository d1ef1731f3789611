resource "google_compute_network" "this" {
  project                         = var.project_id
  name                            = var.name
  auto_create_subnetworks         = false
  delete_default_routes_on_create = false
  # The database's routes reach every region that has a subnet, also that of the GPUs.
  routing_mode = "GLOBAL"
}

# Jobs take their addresses here (Direct VPC egress). Without Cloud NAT, what goes this way reaches
# the database and Google's APIs, and nothing else.
resource "google_compute_subnetwork" "jobs" {
  for_each = var.subnets

  project                  = var.project_id
  name                     = "${var.name}-${each.key}"
  network                  = google_compute_network.this.id
  region                   = each.key
  ip_cidr_range            = each.value
  private_ip_google_access = true

  log_config {
    aggregation_interval = "INTERVAL_10_MIN"
    flow_sampling        = 0.1
    metadata             = "INCLUDE_ALL_METADATA"
  }
}

# Nothing listens in this network: jobs and functions only call out.
resource "google_compute_firewall" "deny_ingress" {
  project   = var.project_id
  name      = "${var.name}-deny-ingress"
  network   = google_compute_network.this.id
  direction = "INGRESS"
  priority  = 65000

  source_ranges = ["0.0.0.0/0"]

  deny {
    protocol = "all"
  }
}

resource "google_compute_global_address" "services" {
  project       = var.project_id
  name          = "${var.name}-services"
  network       = google_compute_network.this.id
  purpose       = "VPC_PEERING"
  address_type  = "INTERNAL"
  address       = split("/", var.services_range)[0]
  prefix_length = tonumber(split("/", var.services_range)[1])
}

resource "google_service_networking_connection" "services" {
  network                 = google_compute_network.this.id
  service                 = "servicenetworking.googleapis.com"
  reserved_peering_ranges = [google_compute_global_address.services.name]
  # A peering that still has a database cannot be deleted; the network's own deletion ends it.
  deletion_policy = "ABANDON"
}

# Cloud Functions reach a private address through a connector: their API has no Direct VPC egress in
# the provider's version pinned here.
resource "google_vpc_access_connector" "functions" {
  project       = var.project_id
  name          = "${var.name}-functions"
  region        = var.region
  network       = google_compute_network.this.name
  ip_cidr_range = var.connector_range
  machine_type  = var.connector.machine_type
  min_instances = var.connector.min_instances
  max_instances = var.connector.max_instances
}
