output "connector_id" {
  description = "Id of the functions' connector."
  value       = google_vpc_access_connector.functions.id
}

output "network_id" {
  description = "Id of the network; known once private services can be used in it."
  value       = google_compute_network.this.id
  depends_on  = [google_service_networking_connection.services]
}

output "subnets" {
  description = "Region → id of its subnet."
  value       = { for region, subnet in google_compute_subnetwork.jobs : region => subnet.id }
}
