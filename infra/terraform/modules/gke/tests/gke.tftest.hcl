mock_provider "google" {}

variables {
  project_id           = "demo-project"
  region               = "europe-west4"
  network_id           = "projects/demo-project/global/networks/penstock-network"
  subnetwork_id        = "projects/demo-project/regions/europe-west4/subnetworks/penstock-nodes"
  node_service_account = "penstock-nodes@demo-project.iam.gserviceaccount.com"
}

run "private_and_protected" {
  command = plan

  assert {
    condition     = one(google_container_cluster.this.private_cluster_config).enable_private_nodes && one(google_container_cluster.this.private_cluster_config).enable_private_endpoint
    error_message = "nodes are private, and so is the control plane unless somebody is authorized"
  }

  assert {
    condition     = google_container_cluster.this.deletion_protection
    error_message = "the cluster is not deleted by accident"
  }

  assert {
    condition     = google_container_cluster.this.datapath_provider == "ADVANCED_DATAPATH" && one(google_container_cluster.this.workload_identity_config).workload_pool == "demo-project.svc.id.goog"
    error_message = "Dataplane V2 and Workload Identity are on"
  }

  assert {
    condition     = alltrue([for pool in google_container_node_pool.this : one(one(pool.node_config).workload_metadata_config).mode == "GKE_METADATA"])
    error_message = "no pod gets the node's credentials"
  }

  assert {
    condition     = alltrue([for pool in google_container_node_pool.this : one(one(pool.node_config).shielded_instance_config).enable_secure_boot])
    error_message = "all nodes are shielded"
  }
}

run "labels_are_everywhere" {
  command = plan

  variables {
    labels = { team = "ml" }
  }

  assert {
    condition     = google_container_cluster.this.resource_labels == tomap({ team = "ml", component = "gke" }) && alltrue([for pool in google_container_node_pool.this : one(pool.node_config).resource_labels == tomap({ team = "ml", component = "gke" })])
    error_message = "who pays for a node is known"
  }
}

run "gpu_pools_start_from_nothing_and_keep_others_out" {
  command = plan

  assert {
    condition     = one(google_container_node_pool.this["l4"].autoscaling).total_min_node_count == 0
    error_message = "nobody pays for a GPU that nobody uses"
  }

  assert {
    condition     = { for taint in one(google_container_node_pool.this["l4"].node_config).taint : taint.key => taint.effect } == { "nvidia.com/gpu" = "NO_SCHEDULE", "cloud.google.com/gke-spot" = "NO_SCHEDULE" }
    error_message = "only what asks for a GPU, and can be interrupted, runs there"
  }

  assert {
    condition     = toset([for toleration in output.gpu_tolerations["l4"] : toleration.key]) == toset([for taint in one(google_container_node_pool.this["l4"].node_config).taint : taint.key])
    error_message = "what tasks are told to tolerate is what the nodes are tainted with"
  }

  assert {
    condition     = output.gpu_node_selectors["l4"]["cloud.google.com/gke-accelerator"] == one(one(google_container_node_pool.this["l4"].node_config).guest_accelerator).type
    error_message = "the selector finds the pool's nodes"
  }

  assert {
    condition     = one(google_container_node_pool.this["cpu"].autoscaling).total_min_node_count == 1 && length(one(google_container_node_pool.this["cpu"].node_config).taint) == 0
    error_message = "what must always run has a place to"
  }
}

run "a_gpu_that_stays_is_not_marked_as_spot" {
  command = plan

  variables {
    gpu_pools = { h100 = { machine_type = "a3-highgpu-1g", accelerator_type = "nvidia-h100-80gb", spot = false, zones = ["europe-west4-a"] } }
  }

  assert {
    condition     = [for taint in one(google_container_node_pool.this["h100"].node_config).taint : taint.key] == ["nvidia.com/gpu"] && length(output.gpu_tolerations["h100"]) == 1
    error_message = "only spot nodes are marked as such"
  }
}

run "one_key_encrypts_secrets_and_disks" {
  command = plan

  variables {
    kms_key_id = "projects/demo-project/locations/europe-west4/keyRings/penstock-keys/cryptoKeys/penstock-gke"
  }

  assert {
    condition     = one(google_container_cluster.this.database_encryption).key_name == var.kms_key_id && alltrue([for pool in google_container_node_pool.this : one(pool.node_config).boot_disk_kms_key == var.kms_key_id])
    error_message = "secrets and disks are encrypted with the given key"
  }
}

run "auto_provisioning_has_limits" {
  command = plan

  variables {
    auto_provisioning = { max_cpus = 64, max_memory_gb = 256, accelerators = { nvidia-l4 = 4 } }
  }

  assert {
    condition     = { for limit in one(google_container_cluster.this.cluster_autoscaling).resource_limits : limit.resource_type => limit.maximum } == { cpu = 64, memory = 256, nvidia-l4 = 4 }
    error_message = "GKE makes no more than it is allowed"
  }
}

run "the_whole_world_is_refused" {
  command = plan

  variables {
    authorized_networks = { everybody = "0.0.0.0/0" }
  }

  expect_failures = [var.authorized_networks]
}

run "a_cluster_of_spot_nodes_only_is_refused" {
  command = plan

  variables {
    cpu_pools = { cpu = { spot = true } }
  }

  expect_failures = [var.cpu_pools]
}
