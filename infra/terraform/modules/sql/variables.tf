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
  description = "The VPC with the private addresses of the databases, from the module network."
}

variable "private_services_connection" {
  type        = string
  description = "The peering of the network with Google's services, from the module network. Private addresses require it."
}

variable "databases" {
  type = map(object({
    version  = string
    database = string
    user     = optional(string, "penstock")
    tier     = optional(string, "db-custom-1-3840")
    disk_gb  = optional(number, 20)
    tls      = optional(bool, true)
    flags    = optional(map(string), {})
  }))
  description = "The databases: the version of the engine, the names of the database and its user, the machine type, whether connections must be encrypted, and the flags of the server."

  validation {
    condition     = alltrue([for database in values(var.databases) : can(regex("^(MYSQL|POSTGRES)_[0-9_]+$", database.version))])
    error_message = "version must be one of Cloud SQL's, such as MYSQL_8_4 or POSTGRES_17."
  }

  validation {
    condition     = alltrue([for database in values(var.databases) : can(regex("^db-(custom-[0-9]+-[0-9]+|g1-small|f1-micro)$", database.tier))])
    error_message = "tier must be a machine of the edition Enterprise, such as db-custom-1-3840."
  }

  validation {
    condition     = alltrue([for name, database in var.databases : can(regex("^[a-z][-a-z0-9]*$", name)) && database.disk_gb >= 10])
    error_message = "names may contain lower-case letters, digits and hyphens only, and a disk must have at least 10 GB."
  }
}

variable "high_availability" {
  type        = bool
  description = "Whether there is a standby in another zone. It doubles the price."
  default     = false
}

variable "backups" {
  type        = number
  description = "The number of daily backups to keep."
  default     = 14

  validation {
    condition     = var.backups >= 7
    error_message = "backups must be at least 7."
  }
}

variable "kms_key_id" {
  type        = string
  description = "The KMS key that encrypts the databases and their backups. Null: keys that Google manages."
  default     = null
}

variable "deletion_protection" {
  type        = bool
  description = "Whether the databases are protected from deletion, by Terraform and by any other client."
  default     = true
}

variable "labels" {
  type        = map(string)
  description = "The labels of every resource that supports them."
  default     = {}
}
