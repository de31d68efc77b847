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

variable "github_repository" {
  type        = string
  description = "The GitHub repository (OWNER/NAME) whose workflows on main push images and submit pipelines, without a key. Null: none."
  default     = null
}

variable "emails" {
  type        = set(string)
  description = "Who is told when an alert fires or the budget is spent; up to five."
  default     = []
}

variable "budget" {
  type        = object({ billing_account = string, amount = number, currency = optional(string, "USD") })
  description = "The billing account, and what a month may cost, in whole units of its currency. Null: nobody watches."
  default     = null
}

variable "uptime_hosts" {
  type        = map(object({ host = string, path = optional(string, "/v2/health/ready") }))
  description = "What is asked from outside every minute: hosts that answer HTTPS, by a name for each."
  default     = {}
}

variable "experiment" {
  type        = string
  description = "The experiment of runs that name none."
  default     = "penstock"
}

variable "labels" {
  type        = map(string)
  description = "Labels of every resource that can have some."
  default     = {}
}
