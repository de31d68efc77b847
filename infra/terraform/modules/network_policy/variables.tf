variable "namespace" {
  type        = string
  description = "The namespace whose pods are reached by nobody, and reach nobody, but for what is said here."
}

variable "ingress" {
  type = map(object({
    pods       = optional(map(string), {})
    namespaces = optional(set(string))
    ports      = optional(list(number), [])
  }))
  description = "Who may ask which pods, by what for: the pods' labels (all pods if none), the namespaces that ask (anybody if null) and the ports (all if none)."
  default     = {}
}

variable "egress" {
  type = map(object({
    pods       = optional(map(string), {})
    namespaces = optional(set(string))
    cidr       = optional(string)
    ports      = optional(list(number), [])
  }))
  description = "Whom which pods may ask, by what for: the pods' labels, the namespaces or the addresses that they ask (anybody if neither is given) and the ports (all if none)."
  default     = {}

  validation {
    condition     = alltrue([for rule in values(var.egress) : rule.namespaces == null || rule.cidr == null])
    error_message = "a rule names namespaces or addresses, not both."
  }
}

variable "labels" {
  type        = map(string)
  description = "Labels of every policy."
  default     = {}
}
