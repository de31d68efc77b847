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

variable "keys" {
  type        = set(string)
  description = "The names of the keys to create."
  default     = ["artifacts", "gke", "sql", "storage", "vertex"]
}

variable "rotation_days" {
  type        = number
  description = "The number of days after which a key is rotated."
  default     = 90

  validation {
    condition     = var.rotation_days >= 1 && var.rotation_days <= 365
    error_message = "rotation_days must be from 1 to 365."
  }
}

variable "users" {
  type        = map(set(string))
  description = "The IAM members (Google's service agents) that may use each key, by its name."
  default     = {}

  validation {
    condition     = alltrue(flatten([for members in values(var.users) : [for member in members : startswith(member, "serviceAccount:")]]))
    error_message = "only service accounts may use keys: serviceAccount:NAME@..."
  }
}

variable "labels" {
  type        = map(string)
  description = "The labels of every resource that supports them."
  default     = {}
}
