variable "project_id" {
  type        = string
  description = "The Google Cloud project."

  validation {
    condition     = can(regex("^[a-z][-a-z0-9]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id has 6 to 30 lower-case letters, digits and hyphens, and starts with a letter."
  }
}

variable "name" {
  type        = string
  description = "What the names of all resources begin with."
  default     = "penstock"

  validation {
    condition     = can(regex("^[a-z][-a-z0-9]{1,20}$", var.name))
    error_message = "name has 2 to 21 lower-case letters, digits and hyphens, and starts with a letter."
  }
}

variable "region" {
  type        = string
  description = "The region, such as europe-west4."

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region is a Google Cloud region, such as europe-west4."
  }
}

variable "network_id" {
  type        = string
  description = "The VPC, from the module network."
}

variable "subnetwork_id" {
  type        = string
  description = "The nodes' subnetwork, from the module network."
}

variable "pods_range_name" {
  type        = string
  description = "The subnetwork's secondary range for pods."
  default     = "pods"
}

variable "services_range_name" {
  type        = string
  description = "The subnetwork's secondary range for services."
  default     = "services"
}

variable "control_plane_cidr" {
  type        = string
  description = "The addresses of the control plane: a /28, the one that the network's firewall knows."
  default     = "172.16.0.0/28"
}

variable "authorized_networks" {
  type        = map(string)
  description = "Who may talk to the control plane from outside: ranges by a name for each. Empty: nobody, it has no public endpoint."
  default     = {}

  validation {
    condition     = !contains(values(var.authorized_networks), "0.0.0.0/0")
    error_message = "the whole world is no authorized network."
  }
}

variable "node_service_account" {
  type        = string
  description = "The address of the nodes' service account, from the module iam."
}

variable "release_channel" {
  type        = string
  description = "How soon the cluster gets new versions: RAPID, REGULAR or STABLE."
  default     = "REGULAR"

  validation {
    condition     = contains(["RAPID", "REGULAR", "STABLE"], var.release_channel)
    error_message = "release_channel is RAPID, REGULAR or STABLE."
  }
}

variable "kms_key_id" {
  type        = string
  description = "The KMS key that encrypts Kubernetes' secrets and the nodes' disks. Null: Google's own."
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
  description = "The pools without accelerators. Numbers of nodes are of the whole region."
  default     = { cpu = {} }

  validation {
    condition     = anytrue([for pool in values(var.cpu_pools) : pool.min_nodes >= 1 && !pool.spot])
    error_message = "one pool always has a node that stays: Kubeflow, KServe and MLflow live there."
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
  description = "The pools with accelerators. They have no nodes until a task asks for some. zones: where the accelerator is to be had; all of the region otherwise."
  default = {
    l4 = { machine_type = "g2-standard-8", accelerator_type = "nvidia-l4" }
  }

  validation {
    condition     = alltrue([for pool in values(var.gpu_pools) : contains(["DEFAULT", "LATEST"], pool.driver)])
    error_message = "driver is DEFAULT or LATEST."
  }

  validation {
    condition     = alltrue([for pool in values(var.gpu_pools) : pool.accelerators >= 1 && pool.max_nodes >= 1])
    error_message = "a GPU pool has at least one accelerator to a node, and may have at least one node."
  }
}

variable "auto_provisioning" {
  type        = object({ max_cpus = number, max_memory_gb = number, accelerators = optional(map(number), {}) })
  description = "How far GKE may make pools by itself: CPUs, GB of memory, accelerators by type. Null: it makes none."
  default     = null
}

variable "deletion_protection" {
  type        = bool
  description = "Whether Terraform refuses to delete the cluster."
  default     = true
}

variable "labels" {
  type        = map(string)
  description = "Labels of every resource that can have some."
  default     = {}
}
