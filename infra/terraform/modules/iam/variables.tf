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

variable "accounts" {
  type = map(object({
    description   = string
    project_roles = optional(set(string), [])
    kubernetes    = optional(set(string), [])
    acts_as       = optional(set(string), [])
  }))
  description = <<-EOT
    The service accounts: what each is for, its roles in the project, the Kubernetes service accounts (NAMESPACE/NAME) that are it by Workload
    Identity, and the other accounts of this map that it may start something as. Access to buckets, images and keys is given where those are made.
  EOT
  default = {
    pipeline-runner = {
      description   = "Runs pipelines: starts tasks, reads and writes artifacts."
      project_roles = ["roles/aiplatform.user", "roles/logging.logWriter"]
      kubernetes    = ["kubeflow/pipeline-runner"]
      acts_as       = ["serving"]
    }
    trainer = {
      description   = "Runs tasks that compute, training above all, and releases nothing."
      project_roles = ["roles/logging.logWriter", "roles/monitoring.metricWriter"]
      kubernetes    = ["kubeflow/penstock-trainer"]
    }
    pusher = {
      description   = "Registers and releases models."
      project_roles = ["roles/aiplatform.user", "roles/logging.logWriter"]
      kubernetes    = ["kubeflow/penstock-pusher"]
      acts_as       = ["serving"]
    }
    serving = {
      description   = "Serves models: reads them and writes its prediction log."
      project_roles = ["roles/logging.logWriter", "roles/monitoring.metricWriter"]
      kubernetes    = ["models/penstock-serving"]
    }
    mlflow = {
      description   = "The tracking server: its database and its artifacts."
      project_roles = ["roles/cloudsql.client", "roles/logging.logWriter"]
      kubernetes    = ["mlflow/mlflow"]
    }
    ui = {
      description = "Kubeflow's page: shows artifacts."
      kubernetes  = ["kubeflow/ml-pipeline-ui"]
    }
    nodes = {
      description   = "What the cluster's nodes are, beside the pods on them."
      project_roles = ["roles/container.defaultNodeServiceAccount"]
    }
    ci = {
      description   = "Continuous integration: pushes images, submits pipelines."
      project_roles = ["roles/aiplatform.user"]
      acts_as       = ["pipeline-runner"]
    }
  }

  validation {
    condition     = alltrue([for account in values(var.accounts) : alltrue([for role in account.project_roles : !contains(["roles/owner", "roles/editor", "roles/viewer"], role)])])
    error_message = "basic roles are far more than any of these accounts needs."
  }

  validation {
    condition     = alltrue(flatten([for account in values(var.accounts) : [for other in account.acts_as : contains(keys(var.accounts), other)]]))
    error_message = "acts_as names other accounts of this map."
  }

  validation {
    condition     = alltrue(flatten([for account in values(var.accounts) : [for name in account.kubernetes : can(regex("^[a-z0-9-]+/[a-z0-9-]+$", name))]]))
    error_message = "kubernetes names service accounts as NAMESPACE/NAME."
  }
}

variable "workload_pool" {
  type        = string
  description = "The cluster's Workload Identity pool, PROJECT.svc.id.goog, once there is a cluster. Null: no Kubernetes service account is anybody."
  default     = null
}

variable "github_repository" {
  type        = string
  description = "The GitHub repository (OWNER/NAME) whose workflows are the account ci, without a key. Null: none."
  default     = null

  validation {
    condition     = var.github_repository == null || can(regex("^[^/*]+/[^/*]+$", var.github_repository))
    error_message = "github_repository is one repository, OWNER/NAME."
  }
}

variable "github_ref" {
  type        = string
  description = "The only Git reference whose workflows are the account ci."
  default     = "refs/heads/main"

  validation {
    condition     = startswith(var.github_ref, "refs/")
    error_message = "github_ref is a full reference, such as refs/heads/main."
  }
}
