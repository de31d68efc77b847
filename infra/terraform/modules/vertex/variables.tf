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

variable "models_url" {
  type        = string
  description = "The bucket from which endpoints load models, gs://NAME: only those who release models may write there."

  validation {
    condition     = can(regex("^gs://[a-z0-9][-_.a-z0-9]+$", var.models_url))
    error_message = "models_url is a bucket, gs://NAME."
  }
}

variable "artifacts_url" {
  type        = string
  description = "The bucket of the artifacts, gs://...: pipelines write below it."

  validation {
    condition     = can(regex("^gs://[a-z0-9][-_.a-z0-9]+$", var.artifacts_url))
    error_message = "artifacts_url is a bucket, gs://NAME."
  }
}

variable "endpoints" {
  type        = set(string)
  description = "The endpoints to make, by display name. push_model makes those that are not there yet; what is made here stays when no model is deployed."
  default     = ["penstock"]

  validation {
    condition     = alltrue([for name in var.endpoints : can(regex("^[a-z][-a-z0-9]{0,62}$", name))])
    error_message = "an endpoint's name has up to 63 lower-case letters, digits and hyphens, and starts with a letter."
  }
}

variable "network" {
  type        = string
  description = "The VPC whose addresses endpoints answer at, projects/NUMBER/global/networks/NAME. Null: public endpoints."
  default     = null
}

variable "tensorboard" {
  type        = bool
  description = "Whether to make a TensorBoard instance."
  default     = true
}

variable "kms_key_id" {
  type        = string
  description = "The KMS key that encrypts metadata, endpoints and TensorBoard. Null: Google's own."
  default     = null
}

variable "labels" {
  type        = map(string)
  description = "Labels of every resource that can have some."
  default     = {}
}
