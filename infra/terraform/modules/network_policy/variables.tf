variable "namespace" {
  type        = string
  description = "The namespace whose pods accept and open only the connections that the rules allow."
}

variable "ingress" {
  type = map(object({
    pods       = optional(map(string), {})
    namespaces = optional(set(string))
    ports      = optional(list(number), [])
  }))
  description = "The allowed incoming connections, by purpose: the labels of the pods (all pods if empty), the namespaces of the clients (any client if null) and the ports (all if empty)."
  default     = {}
}

variable "egress" {
  type = map(object({
    pods       = optional(map(string), {})
    namespaces = optional(set(string))
    cidr       = optional(string)
    ports      = optional(list(number), [])
  }))
  description = "The allowed outgoing connections, by purpose: the labels of the pods, the namespaces or IP ranges of the destinations (any destination if neither is given) and the ports (all if empty)."
  default     = {}

  validation {
    condition     = alltrue([for rule in values(var.egress) : rule.namespaces == null || rule.cidr == null])
    error_message = "a rule must not have both namespaces and addresses."
  }
}

variable "labels" {
  type        = map(string)
  description = "The labels of every policy."
  default     = {}
}
