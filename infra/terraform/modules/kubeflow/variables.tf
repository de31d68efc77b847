variable "pipelines_commit" {
  type        = string
  description = "The commit of github.com/kubeflow/pipelines whose manifests/kustomize is applied. The default is that of release 2.17.0."
  default     = "4a3592cb2dd0a91a4652ab93893ec8beda1f3158"

  validation {
    condition     = can(regex("^[0-9a-f]{40}$", var.pipelines_commit))
    error_message = "pipelines_commit must be a full commit hash of 40 hexadecimal digits, because a tag or a branch can be moved."
  }
}

variable "flux_version" {
  type        = string
  description = "The version of the chart flux2 in fluxcd-community.github.io/helm-charts, which applies the manifests. Null if the cluster already has Flux in the namespace flux-system."
  default     = "2.18.3"

  validation {
    condition     = var.flux_version == null || can(regex("^[0-9]+\\.[0-9]+\\.[0-9]+$", var.flux_version))
    error_message = "flux_version must be one version of the chart, such as 2.18.3."
  }
}

variable "flux_sync_version" {
  type        = string
  description = "The version of the chart flux2-sync in fluxcd-community.github.io/helm-charts, which configures what Flux applies."
  default     = "1.14.5"

  validation {
    condition     = can(regex("^[0-9]+\\.[0-9]+\\.[0-9]+$", var.flux_sync_version))
    error_message = "flux_sync_version must be one version of the chart, such as 1.14.5."
  }
}

variable "database" {
  type = object({
    host   = string
    port   = optional(number, 3306)
    secret = string
  })
  description = "An external MySQL server, such as a private Cloud SQL instance: its host, its port, and the secret in the namespace kubeflow with the keys username and password. Null creates one in the cluster."
  default     = null

  validation {
    condition     = var.database == null || can(regex("^[A-Za-z0-9][-.A-Za-z0-9]*$", var.database.host))
    error_message = "host must be a name or an address, without a scheme and a port."
  }

  validation {
    condition     = var.database == null || try(var.database.port > 0 && var.database.port < 65536, false)
    error_message = "port must be between 1 and 65535."
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
    The bucket for the artifacts, gs://BUCKET/PREFIX or s3://BUCKET/PREFIX, which is the default pipeline root. Null creates a store in the cluster.
    For S3, also give the endpoint (HOST or HOST:PORT), the region, whether it uses TLS, and a secret in the namespace kubeflow with the keys
    AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. Without a secret, the service accounts of the tasks must have access (service_account_annotations), and
    Kubeflow's own files (logs, templates) stay in the cluster.
  EOT
  default     = null

  validation {
    condition     = var.object_store == null || can(regex("^(gs|s3)://[a-z0-9][-_.a-z0-9]+(/[^?#]+)?$", var.object_store.url))
    error_message = "url must be gs://BUCKET/PREFIX or s3://BUCKET/PREFIX."
  }

  validation {
    condition     = var.object_store == null || can(regex("^[A-Za-z0-9][-.A-Za-z0-9]*(:[0-9]+)?$", var.object_store.endpoint))
    error_message = "endpoint must be HOST or HOST:PORT, without a scheme."
  }

  validation {
    condition     = var.object_store == null || !try(startswith(var.object_store.url, "gs://") && var.object_store.secret != null, false)
    error_message = "a secret is not supported with gs://: give the service accounts access by Workload Identity."
  }
}

variable "volume_size" {
  type        = string
  description = "The size of the volumes of the database and the object store, if they are in the cluster."
  default     = "20Gi"

  validation {
    condition     = can(regex("^[1-9][0-9]*(Gi|Ti)$", var.volume_size))
    error_message = "volume_size must be a number of Gi or Ti."
  }
}

variable "service_account_annotations" {
  type        = map(map(string))
  description = "The annotations of each service account, by its name, such as { pipeline-runner = { \"iam.gke.io/gcp-service-account\" = \"...\" } }, or eks.amazonaws.com/role-arn."
  default     = {}

  validation {
    condition     = length(setsubtract(keys(var.service_account_annotations), ["pipeline-runner", "penstock-trainer", "penstock-pusher", "ml-pipeline-ui"])) == 0
    error_message = "only pipeline-runner, penstock-trainer, penstock-pusher and ml-pipeline-ui may have annotations, because no other service account accesses storage."
  }
}

variable "models_namespace" {
  type        = string
  description = "The namespace of the models, from the module kserve, to which pipelines may release. Null: pipelines may not release."
  default     = null

  validation {
    condition     = var.models_namespace == null || can(regex("^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$", var.models_namespace))
    error_message = "models_namespace must be the name of a namespace."
  }
}

variable "models" {
  type        = set(string)
  description = "The InferenceServices in models_namespace that pipelines may change and delete. Pipelines may create others there, but not change them."
  default     = []

  validation {
    condition     = alltrue([for model in var.models : can(regex("^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$", model))])
    error_message = "models must be names of InferenceServices: lower-case letters, digits and hyphens, starting with a letter."
  }
}

variable "operators" {
  type        = set(object({ kind = string, name = string }))
  description = "The users or groups that may release manually with a kubeconfig from outside the cluster (penstock status, promote, rollback), such as [{ kind = \"Group\", name = \"on-call@example.org\" }]. They may send requests to every Service in the namespace of the models."
  default     = []

  validation {
    condition     = alltrue([for who in var.operators : contains(["User", "Group"], who.kind)])
    error_message = "the kind of an operator must be User or Group."
  }
}

variable "quota" {
  type        = map(string)
  description = "The resource quota of the namespace kubeflow, such as { \"requests.nvidia.com/gpu\" = \"4\", \"pods\" = \"200\" }."
  default     = {}

  validation {
    condition     = alltrue([for resource in keys(var.quota) : !can(regex("^((requests|limits)[.])?(cpu|memory)$", resource))])
    error_message = "a quota of CPU or memory is not allowed: Kubernetes would reject every pod without requests, including those of Kubeflow."
  }
}

variable "labels" {
  type        = map(string)
  description = "The labels of every Kubernetes object in this module."
  default     = {}
}

variable "training" {
  type = object({
    requests      = optional(map(string), {})
    limits        = optional(map(string), {})
    node_selector = optional(map(string), {})
    tolerations   = optional(list(map(string)), [])
    secrets       = optional(list(string), [])
  })
  description = "The workers of train_model that are pods of a TrainJob: their resources, such as {\"nvidia.com/gpu\" = \"1\"} as limits, their nodes, and the secrets whose keys are their environment variables, such as the object store's credentials. The cluster needs Kubeflow Trainer v2. Null: tasks start no TrainJobs."
  default     = null
}
