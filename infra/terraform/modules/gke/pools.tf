# What a spot node says of itself, so that nothing lands there that cannot be interrupted.
locals {
  spot_key = "cloud.google.com/gke-spot"
  gpu_key  = "nvidia.com/gpu"

  pools = merge(
    { for name, pool in var.cpu_pools : name => merge(pool, { accelerator_type = null, accelerators = 0, zones = null, driver = null }) },
    { for name, pool in var.gpu_pools : name => merge(pool, { min_nodes = 0 }) },
  )
}

resource "google_container_node_pool" "this" {
  for_each       = local.pools
  project        = var.project_id
  name           = each.key
  cluster        = google_container_cluster.this.id
  location       = var.region
  node_locations = each.value.zones

  autoscaling {
    total_min_node_count = each.value.min_nodes
    total_max_node_count = each.value.max_nodes
    location_policy      = each.value.spot ? "ANY" : "BALANCED"
  }

  management {
    auto_repair  = true
    auto_upgrade = true
  }

  node_config {
    machine_type      = each.value.machine_type
    disk_size_gb      = each.value.disk_gb
    disk_type         = "pd-balanced"
    image_type        = "COS_CONTAINERD"
    spot              = each.value.spot
    service_account   = var.node_service_account
    oauth_scopes      = ["https://www.googleapis.com/auth/cloud-platform"] # what it may do is the account's roles
    boot_disk_kms_key = var.kms_key_id
    labels            = { "penstock.dev/pool" = each.key }
    resource_labels   = local.labels

    dynamic "guest_accelerator" {
      for_each = each.value.accelerators > 0 ? [each.value] : []

      content {
        type  = guest_accelerator.value.accelerator_type
        count = guest_accelerator.value.accelerators

        gpu_driver_installation_config {
          gpu_driver_version = guest_accelerator.value.driver
        }
      }
    }

    dynamic "taint" {
      for_each = merge(
        each.value.accelerators > 0 ? { (local.gpu_key) = "present" } : {},
        each.value.spot ? { (local.spot_key) = "true" } : {},
      )

      content {
        key    = taint.key
        value  = taint.value
        effect = "NO_SCHEDULE"
      }
    }

    shielded_instance_config {
      enable_secure_boot          = true
      enable_integrity_monitoring = true
    }

    workload_metadata_config {
      mode = "GKE_METADATA" # a pod is its own service account, never the node's
    }
  }

  lifecycle {
    ignore_changes = [initial_node_count]
  }
}
