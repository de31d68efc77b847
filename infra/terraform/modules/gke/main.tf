locals {
  labels = merge(var.labels, { component = "gke" })
}

resource "google_container_cluster" "this" {
  project  = var.project_id
  name     = "${var.name}-cluster"
  location = var.region

  network           = var.network_id
  subnetwork        = var.subnetwork_id
  datapath_provider = "ADVANCED_DATAPATH" # Dataplane V2: network policies are enforced

  enable_intranode_visibility = true # flow logs see what stays on a node
  deletion_protection         = var.deletion_protection
  resource_labels             = local.labels

  # The pools are resources of their own, so that one can change without the cluster.
  remove_default_node_pool = true
  initial_node_count       = 1
  enable_shielded_nodes    = true

  node_config {
    service_account = var.node_service_account

    shielded_instance_config {
      enable_secure_boot          = true
      enable_integrity_monitoring = true
    }

    workload_metadata_config {
      mode = "GKE_METADATA"
    }
  }

  release_channel {
    channel = var.release_channel
  }

  workload_identity_config {
    workload_pool = "${var.project_id}.svc.id.goog"
  }

  ip_allocation_policy {
    cluster_secondary_range_name  = var.pods_range_name
    services_secondary_range_name = var.services_range_name
  }

  private_cluster_config {
    enable_private_nodes    = true
    enable_private_endpoint = length(var.authorized_networks) == 0
    master_ipv4_cidr_block  = var.control_plane_cidr
  }

  master_authorized_networks_config {
    dynamic "cidr_blocks" {
      for_each = var.authorized_networks

      content {
        display_name = cidr_blocks.key
        cidr_block   = cidr_blocks.value
      }
    }
  }

  master_auth {
    client_certificate_config {
      issue_client_certificate = false
    }
  }

  dynamic "database_encryption" {
    for_each = var.kms_key_id == null ? [] : [var.kms_key_id]

    content {
      state    = "ENCRYPTED"
      key_name = database_encryption.value
    }
  }

  addons_config {
    gcs_fuse_csi_driver_config {
      enabled = true
    }
  }

  gateway_api_config {
    channel = "CHANNEL_STANDARD"
  }

  logging_config {
    enable_components = ["SYSTEM_COMPONENTS", "WORKLOADS"]
  }

  monitoring_config {
    enable_components = ["SYSTEM_COMPONENTS", "POD", "DEPLOYMENT"]

    managed_prometheus {
      enabled = true
    }
  }

  cost_management_config {
    enabled = true
  }

  dynamic "cluster_autoscaling" {
    for_each = var.auto_provisioning == null ? [] : [var.auto_provisioning]

    content {
      enabled = true

      dynamic "resource_limits" {
        for_each = merge({ cpu = cluster_autoscaling.value.max_cpus, memory = cluster_autoscaling.value.max_memory_gb }, cluster_autoscaling.value.accelerators)

        content {
          resource_type = resource_limits.key
          maximum       = resource_limits.value
        }
      }

      auto_provisioning_defaults {
        service_account   = var.node_service_account
        oauth_scopes      = ["https://www.googleapis.com/auth/cloud-platform"]
        boot_disk_kms_key = var.kms_key_id

        shielded_instance_config {
          enable_secure_boot          = true
          enable_integrity_monitoring = true
        }
      }
    }
  }

  lifecycle {
    ignore_changes = [node_config] # the default pool's, which is gone
  }
}
