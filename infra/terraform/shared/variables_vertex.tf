variable "endpoints" {
  type        = set(string)
  description = "The Vertex AI endpoints, by display name. The first in the alphabet is where pipelines release to unless they say otherwise."
  default     = ["penstock"]

  validation {
    condition     = length(var.endpoints) > 0
    error_message = "a pipeline releases to some endpoint."
  }
}

variable "peered_jobs" {
  type        = bool
  description = "Whether Vertex AI runs tasks with addresses of the network, so that they reach what is in it."
  default     = true
}
