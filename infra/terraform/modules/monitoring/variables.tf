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

variable "emails" {
  type        = set(string)
  description = "The emails that are notified when an alert fires."
  default     = []

  validation {
    condition     = alltrue([for email in var.emails : can(regex("^[^@ ]+@[^@ ]+$", email))])
    error_message = "emails must be email addresses."
  }
}

variable "limits" {
  type = object({
    error_rate           = optional(number, 0.01)
    p99_seconds          = optional(number, 0.5)
    minutes              = optional(number, 5)
    pods_waiting_minutes = optional(number, 15)
  })
  description = "The thresholds of the alerts: the share of failed predictions, the 99th percentile of the latency in seconds, for how many minutes either must last, and for how many minutes a pod may wait."
  default     = {}

  validation {
    condition     = var.limits.error_rate > 0 && var.limits.error_rate < 1 && var.limits.p99_seconds > 0 && var.limits.minutes >= 1 && var.limits.pods_waiting_minutes >= 1
    error_message = "error_rate must be between 0 and 1, p99_seconds above 0, and the minutes at least 1."
  }
}

variable "uptime_hosts" {
  type        = map(object({ host = string, path = optional(string, "/v2/health/ready") }))
  description = "The HTTPS hosts that an uptime check requests every minute, by a name of your choice."
  default     = {}
}

variable "audit_retention_days" {
  type        = number
  description = "The number of days for which BigQuery keeps the audit logs."
  default     = 400

  validation {
    condition     = var.audit_retention_days >= 1
    error_message = "audit_retention_days must be at least 1."
  }
}

variable "audited_services" {
  type        = set(string)
  description = "The services with data access logs. Changes of configuration are always logged."
  default     = ["aiplatform.googleapis.com", "artifactregistry.googleapis.com", "storage.googleapis.com"]
}

variable "kms_key_id" {
  type        = string
  description = "The KMS key that encrypts the audit logs in BigQuery. Null: keys that Google manages."
  default     = null
}

variable "labels" {
  type        = map(string)
  description = "The labels of every resource that supports them."
  default     = {}
}
