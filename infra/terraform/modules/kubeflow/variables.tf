variable "pipelines_commit" {
  type        = string
  description = "The commit of github.com/kubeflow/pipelines whose manifests/kustomize is applied; the default is release 2.17.0's."
  default     = "4a3592cb2dd0a91a4652ab93893ec8beda1f3158"

  validation {
    condition     = can(regex("^[0-9a-f]{40}$", var.pipelines_commit))
    error_message = "pipelines_commit is a whole commit, 40 hexadecimal digits: a tag or a branch can be moved."
  }
}

variable "flux_version" {
  type        = string
  description = "The version of the chart flux2 of fluxcd-community.github.io/helm-charts, which applies the manifests. Null: the cluster has Flux already, in the namespace flux-system."
  default     = "2.18.3"

  validation {
    condition     = var.flux_version == null || can(regex("^[0-9]+\\.[0-9]+\\.[0-9]+$", var.flux_version))
    error_message = "flux_version is one version of the chart, such as 2.18.3."
  }
}

variable "flux_sync_version" {
  type        = string
  description = "The version of the chart flux2-sync of fluxcd-community.github.io/helm-charts, which tells Flux what to apply."
  default     = "1.14.5"

  validation {
    condition     = can(regex("^[0-9]+\\.[0-9]+\\.[0-9]+$", var.flux_sync_version))
    error_message = "flux_sync_version is one version of the chart, such as 1.14.5."
  }
}

variable "database" {
  type = object({
    host   = string
    port   = optional(number, 3306)
    secret = string
  })
  description = "An external MySQL, such as Cloud SQL's private address: host, port and the secret in the namespace kubeflow with the keys username and password. Null: one in the cluster."
  default     = null

  validation {
    condition     = var.database == null || can(regex("^[A-Za-z0-9][-.A-Za-z0-9]*$", var.database.host))
    error_message = "host is a name or an address, without a scheme and a port."
  }

  validation {
    condition     = var.database == null || try(var.database.port > 0 && var.database.port < 65536, false)
    error_message = "port is between 1 and 65535."
  }
}

variable "object_store" {
  type = object({
    url      = string
    endpoint = optional(string, "s3.amazonaws.com")
    region   = optional(string, "us-east-1")
    tls      = optional(bool, true)
    secret   = optional(string)
  })
  description = <<-EOT
    The bucket of the artifacts, gs://BUCKET/PREFIX or s3://BUCKET/PREFIX: what pipelines have as their root unless they say otherwise. Null: a store in the cluster.
    S3 also has an endpoint (HOST or HOST:PORT), a region, whether it speaks TLS, and a secret in the namespace kubeflow with the keys AWS_ACCESS_KEY_ID and
    AWS_SECRET_ACCESS_KEY. Without a secret the tasks' service accounts must have access (service_account_annotations), and what Kubeflow keeps for itself
    (logs, templates) stays in the cluster.
  EOT
  default     = null

  validation {
    condition     = var.object_store == null || can(regex("^(gs|s3)://[a-z0-9][-_.a-z0-9]+(/[^?#]+)?$", var.object_store.url))
    error_message = "url is gs://BUCKET/PREFIX or s3://BUCKET/PREFIX."
  }

  validation {
    condition     = var.object_store == null || can(regex("^[A-Za-z0-9][-.A-Za-z0-9]*(:[0-9]+)?$", var.object_store.endpoint))
    error_message = "endpoint is HOST or HOST:PORT, without a scheme."
  }

  validation {
    condition     = var.object_store == null || !try(startswith(var.object_store.url, "gs://") && var.object_store.secret != null, false)
    error_message = "gs:// has no secret: the service accounts have access by Workload Identity."
  }
}

variable "volume_size" {
  type        = string
  description = "The size of the database's and of the object store's volume, where they are in the cluster."
  default     = "20Gi"

  validation {
    condition     = can(regex("^[1-9][0-9]*(Gi|Ti)$", var.volume_size))
    error_message = "volume_size is a number of Gi or Ti."
  }
}

variable "service_account_annotations" {
  type        = map(map(string))
  description = "Annotations of service accounts by name, such as { pipeline-runner = { \"iam.gke.io/gcp-service-account\" = \"...\" } } or eks.amazonaws.com/role-arn."
  default     = {}

  validation {
    condition     = length(setsubtract(keys(var.service_account_annotations), ["pipeline-runner", "penstock-trainer", "penstock-pusher", "ml-pipeline-ui"])) == 0
    error_message = "only pipeline-runner, penstock-trainer, penstock-pusher and ml-pipeline-ui have to do with storage."
  }
}

variable "models_namespace" {
  type        = string
  description = "The namespace of the models, from the module kserve: pipelines may release there. Null: nowhere."
  default     = null

  validation {
    condition     = var.models_namespace == null || can(regex("^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$", var.models_namespace))
    error_message = "models_namespace is the name of a namespace."
  }
}

variable "models" {
  type        = set(string)
  description = "The InferenceServices in models_namespace that pipelines may change and delete. They may make others there, and cannot touch them afterwards."
  default     = []

  validation {
    condition     = alltrue([for model in var.models : can(regex("^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$", model))])
    error_message = "models are names of InferenceServices: lower-case letters, digits and hyphens, a letter first."
  }
}

variable "operators" {
  type        = set(object({ kind = string, name = string }))
  description = "Who may release by hand, with a kubeconfig from outside of the cluster (penstock status, promote, rollback): users or groups, such as [{ kind = \"Group\", name = \"on-call@example.org\" }]. They may ask every Service in the models' namespace."
  default     = []

  validation {
    condition     = alltrue([for who in var.operators : contains(["User", "Group"], who.kind)])
    error_message = "an operator's kind is User or Group."
  }
}

variable "quota" {
  type        = map(string)
  description = "What all pods in the namespace kubeflow may have together, such as { \"requests.nvidia.com/gpu\" = \"4\", \"pods\" = \"200\" }."
  default     = {}

  validation {
    condition     = alltrue([for resource in keys(var.quota) : !can(regex("^((requests|limits)[.])?(cpu|memory)$", resource))])
    error_message = "no quota of CPU or memory: Kubernetes would then refuse every pod that does not say how much it wants, Kubeflow's own among them."
  }
}

variable "labels" {
  type        = map(string)
  description = "Labels of every Kubernetes object of this module."
  default     = {}
}
