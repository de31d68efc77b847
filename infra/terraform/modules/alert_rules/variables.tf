variable "limits" {
  type        = map(number)
  description = "Other limits than those of infra/monitoring/rules.yaml, by the alert's name, such as { PenstockErrorRate = 0.05 }."
  default     = {}

  validation {
    condition     = length(setsubtract(keys(var.limits), local.limited)) == 0
    error_message = "limits are for ${join(", ", local.limited)}."
  }
}
