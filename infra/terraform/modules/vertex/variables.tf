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

variable "models_url" {
  type        = string
  description = "The bucket from which endpoints load models, gs://NAME. Allow only those who release models to write there."

  validation {
    condition     = can(regex("^gs://[a-z0-9][-_.a-z0-9]+$", var.models_url))
    error_message = "models_url must be a bucket, gs://NAME."
  }
}

variable "artifacts_url" {
  type        = string
  description = "The bucket for the artifacts of the pipelines, gs://...."

  validation {
    condition     = can(regex("^gs://[a-z0-9][-_.a-z0-9]+$", var.artifacts_url))
    error_message = "artifacts_url must be a bucket, gs://NAME."
  }
}

variable "endpoints" {
  type        = set(string)
  description = "The endpoints to create, by display name. push_model creates endpoints that do not exist yet. Those created here remain if no model is deployed."
  default     = ["penstock"]

  validation {
    condition     = alltrue([for name in var.endpoints : can(regex("^[a-z][-a-z0-9]{0,62}$", name))])
    error_message = "the name of an endpoint must have at most 63 lower-case letters, digits and hyphens, and start with a letter."
  }
}

variable "network" {
  type        = string
  description = "The VPC in which the endpoints have their addresses, projects/NUMBER/global/networks/NAME. Null creates public endpoints."
  default     = null
}

variable "tensorboard" {
  type        = bool
  description = "Whether to create a TensorBoard instance."
  default     = true
}

variable "kms_key_id" {
  type        = string
  description = "The KMS key that encrypts metadata, endpoints and TensorBoard. Null: keys that Google manages."
  default     = null
}

variable "labels" {
  type        = map(string)
  description = "The labels of every resource that supports them."
  default     = {}
}
