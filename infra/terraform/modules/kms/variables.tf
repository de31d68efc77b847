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

variable "keys" {
  type        = set(string)
  description = "What has a key of its own."
  default     = ["artifacts", "gke", "sql", "storage", "vertex"]
}

variable "rotation_days" {
  type        = number
  description = "After how many days a key gets a new version."
  default     = 90

  validation {
    condition     = var.rotation_days >= 1 && var.rotation_days <= 365
    error_message = "rotation_days is from 1 to 365."
  }
}

variable "users" {
  type        = map(set(string))
  description = "Who encrypts and decrypts with each key: IAM members (Google's service agents) by the key's name."
  default     = {}

  validation {
    condition     = alltrue(flatten([for members in values(var.users) : [for member in members : startswith(member, "serviceAccount:")]]))
    error_message = "only service accounts use keys: serviceAccount:NAME@..."
  }
}

variable "labels" {
  type        = map(string)
  description = "Labels of every resource that can have some."
  default     = {}
}
