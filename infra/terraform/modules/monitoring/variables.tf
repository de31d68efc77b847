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

variable "alert_limits" {
  type        = map(number)
  description = "Other limits than those of infra/monitoring/rules.yaml, by the alert's name, such as { PenstockErrorRate = 0.05 }. PenstockErrorRate and PenstockLatency are for Vertex AI too."
  default     = {}
}

variable "pods_waiting_minutes" {
  type        = number
  description = "The minutes that a pod may wait for a node before an alert fires."
  default     = 15

  validation {
    condition     = var.pods_waiting_minutes >= 1
    error_message = "pods_waiting_minutes must be at least 1."
  }
}

variable "vertex" {
  type        = bool
  description = "Whether models serve, or are monitored, on Vertex AI."
  default     = true
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
