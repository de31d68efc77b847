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

variable "project_number" {
  type        = string
  description = "The project's number, by which bills name it."

  validation {
    condition     = can(regex("^[0-9]+$", var.project_number))
    error_message = "project_number has digits only: gcloud projects describe PROJECT --format='value(projectNumber)'."
  }
}

variable "billing_account" {
  type        = string
  description = "The billing account that pays for the project, such as 012345-6789AB-CDEF01."

  validation {
    condition     = can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", var.billing_account))
    error_message = "billing_account looks like 012345-6789AB-CDEF01."
  }
}

variable "amount" {
  type        = number
  description = "What a month may cost, in whole units of currency."

  validation {
    condition     = var.amount >= 1 && floor(var.amount) == var.amount
    error_message = "amount is a whole number of at least 1."
  }
}

variable "currency" {
  type        = string
  description = "The billing account's currency."
  default     = "USD"

  validation {
    condition     = can(regex("^[A-Z]{3}$", var.currency))
    error_message = "currency is an ISO 4217 code, such as USD."
  }
}

variable "thresholds" {
  type        = set(number)
  description = "The shares of the amount at which somebody is told. The last is also watched as a forecast."
  default     = [0.5, 0.8, 1.0]

  validation {
    condition     = length(var.thresholds) > 0 && alltrue([for share in var.thresholds : share > 0])
    error_message = "thresholds are shares above 0, at least one."
  }
}

variable "emails" {
  type        = set(string)
  description = "Who is told, beside the billing account's administrators; up to five."
  default     = []

  validation {
    condition     = length(var.emails) <= 5 && alltrue([for email in var.emails : can(regex("^[^@ ]+@[^@ ]+$", email))])
    error_message = "emails are up to five addresses."
  }
}

variable "labels" {
  type        = map(string)
  description = "Labels of every resource that can have some."
  default     = {}
}
