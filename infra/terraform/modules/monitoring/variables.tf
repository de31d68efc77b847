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

variable "emails" {
  type        = set(string)
  description = "Who is told when an alert fires."
  default     = []

  validation {
    condition     = alltrue([for email in var.emails : can(regex("^[^@ ]+@[^@ ]+$", email))])
    error_message = "emails are addresses."
  }
}

variable "limits" {
  type = object({
    error_rate           = optional(number, 0.01)
    p99_seconds          = optional(number, 0.5)
    minutes              = optional(number, 5)
    pods_waiting_minutes = optional(number, 15)
  })
  description = "When alerts fire: the share of failed predictions, the 99th percentile of a prediction's seconds, for how many minutes either holds, and for how many a pod may wait."
  default     = {}

  validation {
    condition     = var.limits.error_rate > 0 && var.limits.error_rate < 1 && var.limits.p99_seconds > 0 && var.limits.minutes >= 1 && var.limits.pods_waiting_minutes >= 1
    error_message = "error_rate lies between 0 and 1, p99_seconds is above 0, minutes are at least 1."
  }
}

variable "uptime_hosts" {
  type        = map(object({ host = string, path = optional(string, "/v2/health/ready") }))
  description = "What is asked from outside every minute: hosts that answer HTTPS, by a name for each."
  default     = {}
}

variable "audit_retention_days" {
  type        = number
  description = "For how many days audit logs are kept in BigQuery."
  default     = 400

  validation {
    condition     = var.audit_retention_days >= 1
    error_message = "audit_retention_days is at least 1."
  }
}

variable "audited_services" {
  type        = set(string)
  description = "The services of which reads and writes of data are logged too; changes of configuration always are."
  default     = ["aiplatform.googleapis.com", "artifactregistry.googleapis.com", "storage.googleapis.com"]
}

variable "kms_key_id" {
  type        = string
  description = "The KMS key that encrypts the audit logs in BigQuery. Null: Google's own."
  default     = null
}

variable "labels" {
  type        = map(string)
  description = "Labels of every resource that can have some."
  default     = {}
}
