variable "models" {
  type        = set(string)
  description = "Additional InferenceServices that pipelines may change and delete. Pipelines may create others, but not change them."
  default     = []
}

variable "operators" {
  type        = set(object({ kind = string, name = string }))
  description = "The users or groups that may release manually with a kubeconfig from outside the cluster (penstock status, promote, rollback), such as [{ kind = \"Group\", name = \"on-call@example.org\" }]. They may send requests to every Service in the namespace of the models."
  default     = []
}

variable "ingress_namespaces" {
  type        = map(set(string))
  description = "Additional namespaces that may connect to the pods of kubeflow, models and mlflow, for a gateway, an ingress or a service mesh of the cluster, such as { models = [\"istio-system\"], kubeflow = [\"ingress-nginx\"] }."
  default     = {}

  validation {
    condition     = length(setsubtract(keys(var.ingress_namespaces), ["kubeflow", "models", "mlflow"])) == 0
    error_message = "the keys of ingress_namespaces must be kubeflow, models or mlflow."
  }
}

variable "authorized_networks" {
  type        = map(string)
  description = "The IP ranges outside the network that may connect to the control plane, by a name of your choice. Terraform itself must run in one of them, or inside the network."
  default     = {}
}

variable "control_plane_cidr" {
  type        = string
  description = "The IP range of the control plane: an unused /28."
  default     = "172.16.0.0/28"
}

variable "cpu_pools" {
  type = map(object({
    machine_type = optional(string, "e2-standard-4")
    disk_gb      = optional(number, 100)
    min_nodes    = optional(number, 1)
    max_nodes    = optional(number, 6)
    spot         = optional(bool, false)
  }))
  description = "The node pools without accelerators. Kubeflow, KServe and MLflow fit on two nodes."
  default     = { cpu = { min_nodes = 2 } }
}

variable "gpu_pools" {
  type = map(object({
    machine_type     = string
    accelerator_type = string
    accelerators     = optional(number, 1)
    disk_gb          = optional(number, 200)
    max_nodes        = optional(number, 2)
    spot             = optional(bool, true)
    zones            = optional(set(string))
    driver           = optional(string, "DEFAULT")
  }))
  description = "The node pools with accelerators. They scale from zero nodes when a task requests an accelerator."
  default = {
    l4 = { machine_type = "g2-standard-8", accelerator_type = "nvidia-l4" }
  }
}

variable "cloud_sql" {
  type        = bool
  description = "Whether the databases of Kubeflow and MLflow are in Cloud SQL. False: in the cluster, on volumes without backups."
  default     = true
}

variable "high_availability" {
  type        = bool
  description = "Whether Cloud SQL has a standby in another zone. It doubles the price of the databases."
  default     = false
}

variable "deployment_mode" {
  type        = string
  description = "KServe's deployment mode: Standard or Knative."
  default     = "Standard"
}

variable "exposure" {
  type        = object({ type = optional(string, "ClusterIP"), annotations = optional(map(string), {}) })
  description = "The type of the gateway's Service: ClusterIP (reachable in the cluster only) or LoadBalancer, such as { type = \"LoadBalancer\", annotations = { \"networking.gke.io/load-balancer-type\" = \"Internal\" } }."
  default     = {}
}

variable "domain" {
  type        = string
  description = "The domain in the URLs of the models."
  default     = "models.internal"
}

variable "model" {
  type        = string
  description = "The name of the InferenceService that is the default destination of pipelines."
  default     = "penstock"
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

variable "deletion_protection" {
  type        = bool
  description = "Whether the cluster and the databases are protected from deletion. Set it to false and apply that before `terraform destroy`."
  default     = true
}
