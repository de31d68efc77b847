variable "project_id" {
  type        = string
  description = "The ID of the Google Cloud project."

  validation {
    condition     = can(regex("^[a-z][-a-z0-9]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id must have 6 to 30 lower-case letters, digits and hyphens, and start with a letter."
  }
}

variable "name" {
  type        = string
  description = "The prefix of the names of all resources."
  default     = "penstock"

  validation {
    condition     = can(regex("^[a-z][-a-z0-9]{1,20}$", var.name))
    error_message = "name must have 2 to 21 lower-case letters, digits and hyphens, and start with a letter."
  }
}

variable "region" {
  type        = string
  description = "The region, such as europe-west4."

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region must be a Google Cloud region, such as europe-west4."
  }
}

variable "network_id" {
  type        = string
  description = "The VPC, from the module network."
}

variable "subnetwork_id" {
  type        = string
  description = "The subnetwork of the nodes, from the module network."
}

variable "pods_range_name" {
  type        = string
  description = "The secondary range of the subnetwork for pods."
  default     = "pods"
}

variable "services_range_name" {
  type        = string
  description = "The secondary range of the subnetwork for services."
  default     = "services"
}

variable "control_plane_cidr" {
  type        = string
  description = "The IP range of the control plane: a /28, the same as in the firewall of the module network."
  default     = "172.16.0.0/28"
}

variable "authorized_networks" {
  type        = map(string)
  description = "The IP ranges outside the network that may connect to the control plane, by a name of your choice. If empty, the control plane has no public endpoint."
  default     = {}

  validation {
    condition     = !contains(values(var.authorized_networks), "0.0.0.0/0")
    error_message = "0.0.0.0/0 is not allowed as an authorized network."
  }
}

variable "node_service_account" {
  type        = string
  description = "The email of the service account of the nodes, from the module iam."
}

variable "release_channel" {
  type        = string
  description = "The GKE release channel of the cluster: RAPID, REGULAR or STABLE."
  default     = "REGULAR"

  validation {
    condition     = contains(["RAPID", "REGULAR", "STABLE"], var.release_channel)
    error_message = "release_channel must be RAPID, REGULAR or STABLE."
  }
}

variable "kms_key_id" {
  type        = string
  description = "The KMS key that encrypts Kubernetes secrets and the disks of the nodes. Null: keys that Google manages."
  default     = null
}

variable "cpu_pools" {
  type = map(object({
    machine_type = optional(string, "e2-standard-4")
    disk_gb      = optional(number, 100)
    min_nodes    = optional(number, 1)
    max_nodes    = optional(number, 6)
    spot         = optional(bool, false)
  }))
  description = "The node pools without accelerators. The numbers of nodes are for the whole region."
  default     = { cpu = {} }

  validation {
    condition     = anytrue([for pool in values(var.cpu_pools) : pool.min_nodes >= 1 && !pool.spot])
    error_message = "at least one pool without spot nodes must have a minimum of one node, for Kubeflow, KServe and MLflow."
  }
}

variable "gpu_pools" {
  type = map(object({
    machine_type     = string
    accelerator_type = string
    accelerators     = optional(number, 1)
    disk_gb          = optional(number, 200)
    max_nodes        = optional(number, 2)
    spot             = optional(bool, true)
    zones            = optional(set(string))
    driver           = optional(string, "DEFAULT")
  }))
  description = "The node pools with accelerators. They scale from zero nodes when a task requests an accelerator. zones: the zones that offer the accelerator; by default all zones of the region."
  default = {
    l4 = { machine_type = "g2-standard-8", accelerator_type = "nvidia-l4" }
  }

  validation {
    condition     = alltrue([for pool in values(var.gpu_pools) : contains(["DEFAULT", "LATEST"], pool.driver)])
    error_message = "driver must be DEFAULT or LATEST."
  }

  validation {
    condition     = alltrue([for pool in values(var.gpu_pools) : pool.accelerators >= 1 && pool.max_nodes >= 1])
    error_message = "a GPU pool needs at least one accelerator per node, and a maximum of at least one node."
  }
}

variable "auto_provisioning" {
  type        = object({ max_cpus = number, max_memory_gb = number, accelerators = optional(map(number), {}) })
  description = "The limits within which GKE creates node pools automatically: CPUs, GB of memory, and accelerators by type. Null disables it."
  default     = null
}

variable "deletion_protection" {
  type        = bool
  description = "Whether the cluster is protected from deletion by Terraform."
  default     = true
}

variable "labels" {
  type        = map(string)
  description = "The labels of every resource that supports them."
  default     = {}
}
