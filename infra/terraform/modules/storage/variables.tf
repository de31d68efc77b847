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

variable "kms_key_id" {
  type        = string
  description = "The KMS key that encrypts the buckets. Null: keys that Google manages."
  default     = null
}

variable "buckets" {
  type = map(object({
    storage_class       = optional(string, "STANDARD")
    noncurrent_days     = optional(number, 30)
    delete_after_days   = optional(number)
    coldline_after_days = optional(number)
    retention_days      = optional(number)
  }))
  description = "The buckets: the number of days for which overwritten objects are kept, after which objects move to Coldline, after which they are deleted, and for which they cannot be deleted."
  default = {
    artifacts = { coldline_after_days = 90 }
    tracking  = { coldline_after_days = 90 }
    models    = {}
    data      = {}
    logs      = { delete_after_days = 400, retention_days = 30 }
    state     = { noncurrent_days = 365 }
  }

  validation {
    condition     = alltrue([for bucket in values(var.buckets) : contains(["STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"], bucket.storage_class)])
    error_message = "storage_class must be STANDARD, NEARLINE, COLDLINE or ARCHIVE."
  }
}

variable "access" {
  type        = map(map(set(string)))
  description = "The access to the buckets: IAM members by role by bucket, such as { artifacts = { \"roles/storage.objectUser\" = [\"serviceAccount:...\"] } }."
  default     = {}

  validation {
    condition     = !anytrue(flatten([for roles in values(var.access) : [for members in values(roles) : [for member in members : contains(["allUsers", "allAuthenticatedUsers"], member)]]]))
    error_message = "allUsers and allAuthenticatedUsers are not allowed: no bucket may be public."
  }
}

variable "labels" {
  type        = map(string)
  description = "The labels of every resource that supports them."
  default     = {}
}
