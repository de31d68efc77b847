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

variable "project_number" {
  type        = string
  description = "The number of the project, which the budget uses."

  validation {
    condition     = can(regex("^[0-9]+$", var.project_number))
    error_message = "project_number must contain digits only: gcloud projects describe PROJECT --format='value(projectNumber)'."
  }
}

variable "billing_account" {
  type        = string
  description = "The billing account that pays for the project, such as 012345-6789AB-CDEF01."

  validation {
    condition     = can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", var.billing_account))
    error_message = "billing_account must have the form 012345-6789AB-CDEF01."
  }
}

variable "amount" {
  type        = number
  description = "The monthly budget, in whole units of the currency."

  validation {
    condition     = var.amount >= 1 && floor(var.amount) == var.amount
    error_message = "amount must be a whole number of at least 1."
  }
}

variable "currency" {
  type        = string
  description = "The currency of the billing account."
  default     = "USD"

  validation {
    condition     = can(regex("^[A-Z]{3}$", var.currency))
    error_message = "currency must be an ISO 4217 code, such as USD."
  }
}

variable "thresholds" {
  type        = set(number)
  description = "The shares of the amount that trigger a notification. The last one also applies to the forecast."
  default     = [0.5, 0.8, 1.0]

  validation {
    condition     = length(var.thresholds) > 0 && alltrue([for share in var.thresholds : share > 0])
    error_message = "thresholds must contain at least one share, each above 0."
  }
}

variable "emails" {
  type        = set(string)
  description = "The emails, at most five, that are notified in addition to the administrators of the billing account."
  default     = []

  validation {
    condition     = length(var.emails) <= 5 && alltrue([for email in var.emails : can(regex("^[^@ ]+@[^@ ]+$", email))])
    error_message = "emails must be at most five email addresses."
  }
}

variable "labels" {
  type        = map(string)
  description = "The labels of every resource that supports them."
  default     = {}
}
