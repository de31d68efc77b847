mock_provider "google" {}

variables {
  project_id = "demo-project"
  region     = "europe-west4"
}

run "defaults" {
  command = plan

  assert {
    condition     = google_compute_subnetwork.nodes.private_ip_google_access
    error_message = "nodes without a public address must reach Google's APIs"
  }

  assert {
    condition     = { for range in google_compute_subnetwork.nodes.secondary_ip_range : range.range_name => range.ip_cidr_range } == { pods = "10.20.0.0/14", services = "10.30.0.0/20" }
    error_message = "pods and services have ranges of their own"
  }

  assert {
    condition     = google_compute_firewall.webhooks.source_ranges == toset(["172.16.0.0/28"])
    error_message = "only the control plane may call webhooks"
  }

  assert {
    condition     = contains(one(google_compute_firewall.webhooks.allow).ports, "9443")
    error_message = "KServe's webhook listens on 9443"
  }

  assert {
    condition     = alltrue([for range in google_compute_firewall.internal.source_ranges : !startswith(range, "0.0.0.0")])
    error_message = "nothing comes in from outside"
  }
}

run "a_control_plane_range_of_the_wrong_size_is_refused" {
  command = plan

  variables {
    control_plane_cidr = "172.16.0.0/24"
  }

  expect_failures = [var.control_plane_cidr]
}

run "the_firewall_follows_the_control_plane" {
  command = plan

  variables {
    control_plane_cidr = "172.16.1.0/28"
  }

  assert {
    condition     = google_compute_firewall.webhooks.source_ranges == toset(["172.16.1.0/28"]) && output.control_plane_cidr == "172.16.1.0/28"
    error_message = "the firewall opens for the control plane that the cluster will have"
  }
}
