module "vertex" {
  source        = "../../modules/vertex"
  project_id    = var.project_id
  name          = var.name
  region        = var.region
  artifacts_url = module.foundation.bucket_urls["artifacts"]
  models_url    = module.foundation.bucket_urls["models"]
  endpoints     = var.endpoints
  kms_key_id    = module.foundation.key_ids["vertex"]
  labels        = var.labels
}

locals {
  vertex_context = {
    settings = {
      target          = "vertex"
      project         = var.project_id
      location        = var.region
      pipeline_root   = module.vertex.pipeline_root
      service_account = module.foundation.emails["pipeline-runner"]
      network         = var.peered_jobs ? module.foundation.peered_network : null
      encryption_key  = module.foundation.key_ids["vertex"]
      experiment      = var.experiment
    }
    parameters = {
      destination  = module.vertex.destinations[sort(var.endpoints)[0]]
      registry_uri = module.vertex.registry_uri
    }
  }
}

output "destinations" {
  description = "The value for the destination of push_model, by the display name of the endpoint."
  value       = module.vertex.destinations
}

output "tensorboard_id" {
  description = "The TensorBoard instance."
  value       = module.vertex.tensorboard_id
}
