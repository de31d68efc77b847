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

variable "accounts" {
  type = map(object({
    description   = string
    project_roles = optional(set(string), [])
    kubernetes    = optional(set(string), [])
    acts_as       = optional(set(string), [])
  }))
  description = <<-EOT
    The service accounts: the purpose of each, its roles in the project, the Kubernetes service accounts (NAMESPACE/NAME) that impersonate it by
    Workload Identity, and the other accounts in this map as which it may start jobs. The modules of the buckets, images and keys grant access to those.
  EOT
  default = {
    pipeline-runner = {
      description   = "Runs pipelines: starts tasks and the workers of a training, whose log it reads, reads and writes artifacts."
      project_roles = ["roles/aiplatform.user", "roles/logging.logWriter", "roles/logging.viewer"]
      kubernetes    = ["kubeflow/pipeline-runner"]
      acts_as       = ["serving", "trainer"]
    }
    trainer = {
      description   = "Runs tasks that compute, such as training, and cannot release models."
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
      description = "Kubeflow's user interface: shows artifacts."
      kubernetes  = ["kubeflow/ml-pipeline-ui"]
    }
    nodes = {
      description   = "The identity of the nodes of the cluster, apart from the pods on them."
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
    error_message = "basic roles are not allowed, because they grant more than these accounts need."
  }

  validation {
    condition     = alltrue(flatten([for account in values(var.accounts) : [for other in account.acts_as : contains(keys(var.accounts), other)]]))
    error_message = "acts_as must contain names of other accounts in this map."
  }

  validation {
    condition     = alltrue(flatten([for account in values(var.accounts) : [for name in account.kubernetes : can(regex("^[a-z0-9-]+/[a-z0-9-]+$", name))]]))
    error_message = "kubernetes must contain service accounts as NAMESPACE/NAME."
  }
}

variable "workload_pool" {
  type        = string
  description = "The Workload Identity pool of the cluster, PROJECT.svc.id.goog, after the cluster has been created. Null: no Kubernetes service account has an identity in Google Cloud."
  default     = null
}

variable "github_repository" {
  type        = string
  description = "The GitHub repository (OWNER/NAME) whose workflows use the service account ci without a key. Null: none."
  default     = null

  validation {
    condition     = var.github_repository == null || can(regex("^[^/*]+/[^/*]+$", var.github_repository))
    error_message = "github_repository must be one repository, OWNER/NAME."
  }
}

variable "github_ref" {
  type        = string
  description = "The only Git reference whose workflows may use the service account ci."
  default     = "refs/heads/main"

  validation {
    condition     = startswith(var.github_ref, "refs/")
    error_message = "github_ref must be a full reference, such as refs/heads/main."
  }
}
