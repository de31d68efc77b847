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
  description = "The VPC in which the databases have their addresses, from the module network."
}

variable "private_services_connection" {
  type        = string
  description = "The network's peering with Google's services, from the module network: there is no private address without it."
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
  description = "The databases: the engine's version, the database's and its user's name, the machine, whether connections must be encrypted, and flags of the server's."

  validation {
    condition     = alltrue([for database in values(var.databases) : can(regex("^(MYSQL|POSTGRES)_[0-9_]+$", database.version))])
    error_message = "version is one of Cloud SQL's, such as MYSQL_8_4 or POSTGRES_17."
  }

  validation {
    condition     = alltrue([for database in values(var.databases) : can(regex("^db-(custom-[0-9]+-[0-9]+|g1-small|f1-micro)$", database.tier))])
    error_message = "tier is a machine of the edition Enterprise, such as db-custom-1-3840."
  }

  validation {
    condition     = alltrue([for name, database in var.databases : can(regex("^[a-z][-a-z0-9]*$", name)) && database.disk_gb >= 10])
    error_message = "names have lower-case letters, digits and hyphens; a disk has at least 10 GB."
  }
}

variable "high_availability" {
  type        = bool
  description = "Whether a second machine in another zone takes over. It doubles the price."
  default     = false
}

variable "backups" {
  type        = number
  description = "How many daily backups are kept."
  default     = 14

  validation {
    condition     = var.backups >= 7
    error_message = "backups is at least 7."
  }
}

variable "kms_key_id" {
  type        = string
  description = "The KMS key that encrypts the databases and their backups. Null: Google's own."
  default     = null
}

variable "deletion_protection" {
  type        = bool
  description = "Whether Terraform, and everybody else, is refused to delete the databases."
  default     = true
}

variable "labels" {
  type        = map(string)
  description = "Labels of every resource that can have some."
  default     = {}
}
