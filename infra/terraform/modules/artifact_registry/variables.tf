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

variable "kms_key_id" {
  type        = string
  description = "The KMS key that encrypts the images. Null: Google's own keys."
  default     = null
}

variable "keep_versions" {
  type        = number
  description = "How many versions of each image are kept, whatever their age."
  default     = 10

  validation {
    condition     = var.keep_versions >= 1
    error_message = "keep_versions is at least 1."
  }
}

variable "untagged_days" {
  type        = number
  description = "After how many days an image without a tag is deleted."
  default     = 30

  validation {
    condition     = var.untagged_days >= 1
    error_message = "untagged_days is at least 1."
  }
}

variable "readers" {
  type        = set(string)
  description = "IAM members that pull images."
  default     = []
}

variable "writers" {
  type        = set(string)
  description = "IAM members that push images."
  default     = []
}

variable "labels" {
  type        = map(string)
  description = "Labels of every resource that can have some."
  default     = {}
}
