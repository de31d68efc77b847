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

variable "github_repository" {
  type        = string
  description = "The GitHub repository (OWNER/NAME) whose workflows on main may push images and submit pipelines without a key. Null: none."
  default     = null
}

variable "bigquery_datasets" {
  type        = set(string)
  description = "The BigQuery datasets (PROJECT.DATASET) that pipelines read. With any, pipelines may also run queries and read their results in this project."
  default     = []
}

variable "emails" {
  type        = set(string)
  description = "The emails, at most five, that are notified when an alert fires or the budget is spent."
  default     = []
}

variable "budget" {
  type        = object({ billing_account = string, amount = number, currency = optional(string, "USD") })
  description = "The billing account and the monthly budget, in whole units of its currency. Null creates no budget."
  default     = null
}

variable "alert_limits" {
  type        = map(number)
  description = "Other limits than those of infra/monitoring/rules.yaml, by the alert's name, such as { PenstockErrorRate = 0.05 }."
  default     = {}
}

variable "uptime_hosts" {
  type        = map(object({ host = string, path = optional(string, "/v2/health/ready") }))
  description = "The HTTPS hosts that an uptime check requests every minute, by a name of your choice."
  default     = {}
}

variable "experiment" {
  type        = string
  description = "The default experiment of runs."
  default     = "penstock"
}

variable "labels" {
  type        = map(string)
  description = "The labels of every resource that supports them."
  default     = {}
}
