module "foundation" {
  source            = "../../modules/foundation"
  project_id        = var.project_id
  name              = var.name
  region            = var.region
  cluster           = false
  vertex            = true
  github_repository = var.github_repository
  emails            = var.emails
  budget            = var.budget
  uptime_hosts      = var.uptime_hosts
  labels            = var.labels
}

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

# Exactly what `penstock submit` reads.
module "settings" {
  source = "../../modules/settings"

  contexts = {
    vertex = {
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
}
