variable "contexts" {
  type = map(object({
    settings   = map(string)
    parameters = optional(map(string), {})
  }))
  description = "The contexts of penstock.toml: where `penstock submit` sends a pipeline, and the pipeline's parameters that go with it. Nothing is written for a null."

  validation {
    condition     = alltrue([for context in values(var.contexts) : contains(["kubeflow", "vertex"], lookup(context.settings, "target", "none"))])
    error_message = "a context's target is kubeflow or vertex."
  }

  validation {
    condition     = alltrue([for name in keys(var.contexts) : can(regex("^[A-Za-z0-9_-]+$", name))])
    error_message = "a context's name has letters, digits, hyphens and underscores."
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
    What only Kubernetes knows: the namespace of runs, the service accounts (NAMESPACE/NAME) pipeline-runner, penstock-trainer, penstock-pusher and penstock-serving,
    where tasks that ask for an accelerator may run, and the secrets of which keys are environment variables of every task. Null: there is no Kubernetes.
  EOT
  default     = null

  validation {
    condition     = var.platform == null || alltrue([for name in ["pipeline-runner", "penstock-trainer", "penstock-pusher", "penstock-serving"] : can(regex("^[^/]+/[^/]+$", var.platform.service_accounts[name]))])
    error_message = "service_accounts has pipeline-runner, penstock-trainer, penstock-pusher and penstock-serving, each as NAMESPACE/NAME."
  }
}
