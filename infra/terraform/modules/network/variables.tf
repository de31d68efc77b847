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

variable "nodes_cidr" {
  type        = string
  description = "The IP range of the nodes."
  default     = "10.10.0.0/20"

  validation {
    condition     = can(cidrhost(var.nodes_cidr, 0))
    error_message = "nodes_cidr must be a range such as 10.10.0.0/20."
  }
}

variable "pods_cidr" {
  type        = string
  description = "The IP range of the pods. Each node takes a /24 of it."
  default     = "10.20.0.0/14"

  validation {
    condition     = can(cidrhost(var.pods_cidr, 0))
    error_message = "pods_cidr must be a range such as 10.20.0.0/14."
  }
}

variable "services_cidr" {
  type        = string
  description = "The IP range of Kubernetes services."
  default     = "10.30.0.0/20"

  validation {
    condition     = can(cidrhost(var.services_cidr, 0))
    error_message = "services_cidr must be a range such as 10.30.0.0/20."
  }
}

variable "control_plane_cidr" {
  type        = string
  description = "The IP range of the control plane of the cluster: an unused /28."
  default     = "172.16.0.0/28"

  validation {
    condition     = can(cidrhost(var.control_plane_cidr, 0)) && endswith(var.control_plane_cidr, "/28")
    error_message = "control_plane_cidr must be a /28, such as 172.16.0.0/28."
  }
}

variable "webhook_ports" {
  type        = set(number)
  description = "The ports of the admission webhooks of KServe, Knative and cert-manager, which the control plane must reach on the nodes."
  default     = [8443, 9443, 10250]
}
