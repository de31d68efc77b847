variable "models" {
  type        = set(string)
  description = "Further InferenceServices that pipelines may change and delete; of others they can only make new ones."
  default     = []
}

variable "operators" {
  type        = set(object({ kind = string, name = string }))
  description = "Who may release by hand, with a kubeconfig from outside of the cluster (penstock status, promote, rollback): users or groups, such as [{ kind = \"Group\", name = \"on-call@example.org\" }]. They may ask every Service in the models' namespace."
  default     = []
}

variable "ingress_namespaces" {
  type        = map(set(string))
  description = "Further namespaces that may ask the pods of kubeflow, models and mlflow, such as { models = [\"istio-system\"], kubeflow = [\"ingress-nginx\"] }: a gateway of the cluster's own, an ingress, a mesh."
  default     = {}

  validation {
    condition     = length(setsubtract(keys(var.ingress_namespaces), ["kubeflow", "models", "mlflow"])) == 0
    error_message = "ingress_namespaces are for kubeflow, models and mlflow."
  }
}

variable "authorized_networks" {
  type        = map(string)
  description = "Who may talk to the cluster's control plane from outside of the network: ranges by a name for each. Whoever runs Terraform is among them, or inside."
  default     = {}
}

variable "control_plane_cidr" {
  type        = string
  description = "The addresses of the control plane; a /28 that nothing else uses."
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
  description = "The pools without accelerators. Two nodes hold Kubeflow, KServe and MLflow."
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
  description = "The pools with accelerators. They have no nodes until a task asks for some."
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
  description = "Whether Cloud SQL has a second machine in another zone. It doubles the databases' price."
  default     = false
}

variable "deployment_mode" {
  type        = string
  description = "How KServe runs models: Standard or Knative."
  default     = "Standard"
}

variable "exposure" {
  type        = object({ type = optional(string, "ClusterIP"), annotations = optional(map(string), {}) })
  description = "Who reaches the models: the cluster (ClusterIP), or whoever reaches a load balancer, e.g. { type = \"LoadBalancer\", annotations = { \"networking.gke.io/load-balancer-type\" = \"Internal\" } }."
  default     = {}
}

variable "domain" {
  type        = string
  description = "The domain of the models' URLs."
  default     = "models.internal"
}

variable "model" {
  type        = string
  description = "The name of the InferenceService that pipelines release to unless they say otherwise."
  default     = "penstock"
}

variable "deletion_protection" {
  type        = bool
  description = "Whether the cluster and the databases cannot be deleted. False before `terraform destroy`, and applied."
  default     = true
}
