resource "google_compute_network" "this" {
  project                 = var.project_id
  name                    = "${var.name}-network"
  auto_create_subnetworks = false
}

resource "google_compute_subnetwork" "nodes" {
  project                  = var.project_id
  region                   = var.region
  name                     = "${var.name}-nodes"
  network                  = google_compute_network.this.id
  ip_cidr_range            = var.nodes_cidr
  private_ip_google_access = true

  dynamic "secondary_ip_range" {
    for_each = { pods = var.pods_cidr, services = var.services_cidr }

    content {
      range_name    = secondary_ip_range.key
      ip_cidr_range = secondary_ip_range.value
    }
  }

  log_config {
    aggregation_interval = "INTERVAL_10_MIN"
    flow_sampling        = 0.5
    metadata             = "INCLUDE_ALL_METADATA"
  }
}

# Nodes have no public address: images and packages come in through here.
resource "google_compute_router" "this" {
  project = var.project_id
  region  = var.region
  name    = "${var.name}-router"
  network = google_compute_network.this.id
}

resource "google_compute_router_nat" "this" {
  project                            = var.project_id
  region                             = var.region
  name                               = "${var.name}-nat"
  router                             = google_compute_router.this.name
  nat_ip_allocate_option             = "AUTO_ONLY"
  source_subnetwork_ip_ranges_to_nat = "ALL_SUBNETWORKS_ALL_IP_RANGES"

  log_config {
    enable = true
    filter = "ERRORS_ONLY"
  }
}

# GKE opens 443 and 10250 by itself, and no webhook of anybody else's.
resource "google_compute_firewall" "webhooks" {
  project       = var.project_id
  name          = "${var.name}-webhooks"
  network       = google_compute_network.this.id
  description   = "Allows the control plane to call admission webhooks on the nodes."
  direction     = "INGRESS"
  source_ranges = [var.control_plane_cidr]

  allow {
    protocol = "tcp"
    ports    = sort([for port in var.webhook_ports : tostring(port)])
  }
}

resource "google_compute_firewall" "internal" {
  project       = var.project_id
  name          = "${var.name}-internal"
  network       = google_compute_network.this.id
  description   = "Allows connections among nodes and pods; network policies restrict them further."
  direction     = "INGRESS"
  source_ranges = [var.nodes_cidr, var.pods_cidr]

  dynamic "allow" {
    for_each = toset(["tcp", "udp", "icmp"])

    content {
      protocol = allow.value
    }
  }
}

# Cloud SQL and Vertex AI answer from addresses of this range, inside the network.
resource "google_compute_global_address" "services" {
  project       = var.project_id
  name          = "${var.name}-google-services"
  network       = google_compute_network.this.id
  purpose       = "VPC_PEERING"
  address_type  = "INTERNAL"
  prefix_length = 16
}

resource "google_service_networking_connection" "services" {
  network                 = google_compute_network.this.id
  service                 = "servicenetworking.googleapis.com"
  reserved_peering_ranges = [google_compute_global_address.services.name]
}
