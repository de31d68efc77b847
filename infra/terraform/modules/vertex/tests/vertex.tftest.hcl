mock_provider "google" {}

mock_provider "google-beta" {}

# Nothing is applied: what must never be destroyed could not be taken away after a test.
mock_provider "random" {
  override_during = plan

  mock_resource "random_integer" {
    defaults = {
      result = 1234567890
    }
  }
}

variables {
  project_id    = "demo-project"
  region        = "europe-west4"
  artifacts_url = "gs://demo-project-penstock-artifacts"
  models_url    = "gs://demo-project-penstock-models"
}

run "defaults" {
  command = plan

  assert {
    condition     = output.destinations == { penstock = "vertex://demo-project/europe-west4/1234567890?storage=gs://demo-project-penstock-models" }
    error_message = "a destination is what push_model takes"
  }

  assert {
    condition     = output.pipeline_root == "gs://demo-project-penstock-artifacts/pipelines" && output.registry_uri == "vertex://demo-project/europe-west4"
    error_message = "pipelines write below the artifacts' bucket, and models are registered in the same region"
  }

  assert {
    condition     = google_vertex_ai_metadata_store.default.name == "default"
    error_message = "pipelines use the metadata store of this name only"
  }

  assert {
    condition     = contains(keys(google_project_service.apis), "aiplatform.googleapis.com") && alltrue([for api in google_project_service.apis : api.disable_on_destroy == false])
    error_message = "Vertex AI's API is on, and is not taken from others"
  }
}

run "one_key_encrypts_all_of_it" {
  command = plan

  variables {
    kms_key_id = "projects/demo-project/locations/europe-west4/keyRings/penstock-keys/cryptoKeys/penstock-vertex"
  }

  assert {
    condition     = alltrue([for spec in concat(google_vertex_ai_metadata_store.default.encryption_spec, google_vertex_ai_endpoint.this["penstock"].encryption_spec, google_vertex_ai_tensorboard.this["tensorboard"].encryption_spec) : spec.kms_key_name == var.kms_key_id]) && length(google_vertex_ai_endpoint.this["penstock"].encryption_spec) == 1
    error_message = "metadata, endpoints and TensorBoard are encrypted with the given key"
  }
}

run "a_folder_is_no_bucket" {
  command = plan

  variables {
    artifacts_url = "gs://demo-project-penstock-artifacts/somewhere"
  }

  expect_failures = [var.artifacts_url]
}
