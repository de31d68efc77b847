variable "endpoints" {
  type        = set(string)
  description = "The Vertex AI endpoints, by display name. The first in alphabetical order is the default destination of pipelines."
  default     = ["penstock"]

  validation {
    condition     = length(var.endpoints) > 0
    error_message = "endpoints must not be empty."
  }
}

variable "peered_jobs" {
  type        = bool
  description = "Whether Vertex AI peers with the network, so that tasks can reach it."
  default     = true
}
