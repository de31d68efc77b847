variable "contexts" {
  type = map(object({
    settings   = map(string)
    parameters = optional(map(string), {})
  }))
  description = "The contexts of penstock.toml: the backends of `penstock submit`, with default values of the parameters of a pipeline. Null values are omitted."

  validation {
    condition     = alltrue([for context in values(var.contexts) : contains(["kubeflow", "vertex"], lookup(context.settings, "target", "none"))])
    error_message = "the target of a context must be kubeflow or vertex."
  }

  validation {
    condition     = alltrue([for name in keys(var.contexts) : can(regex("^[A-Za-z0-9_-]+$", name))])
    error_message = "the name of a context may contain letters, digits, hyphens and underscores only."
  }
}

variable "platform" {
  type = object({
    namespace        = string
    service_accounts = map(string)
    accelerators = optional(map(object({
      resource       = optional(string, "nvidia.com/gpu")
      node_selectors = optional(map(string), {})
      tolerations = optional(list(object({
        key      = string
        operator = optional(string, "Exists")
        value    = optional(string)
        effect   = optional(string)
      })), [])
    })), {})
    environment_secrets = optional(map(list(string)), {})
  })
  description = <<-EOT
    The settings for Kubernetes: the namespace of runs, the service accounts (NAMESPACE/NAME) pipeline-runner, penstock-trainer, penstock-pusher and penstock-serving,
    the nodes for tasks that request an accelerator, and the secrets whose keys become environment variables of every task. Null if there is no cluster.
  EOT
  default     = null

  validation {
    condition     = var.platform == null || alltrue([for name in ["pipeline-runner", "penstock-trainer", "penstock-pusher", "penstock-serving"] : can(regex("^[^/]+/[^/]+$", var.platform.service_accounts[name]))])
    error_message = "service_accounts must contain pipeline-runner, penstock-trainer, penstock-pusher and penstock-serving, each as NAMESPACE/NAME."
  }
}
