# What is made is known in the plan here, so that the outputs can be read.
mock_provider "google" {
  override_during = plan

  mock_data "google_project" {
    defaults = {
      number = "123456789012"
    }
  }

  mock_resource "google_kms_crypto_key" {
    defaults = {
      id = "projects/demo-project/locations/europe-west4/keyRings/penstock-keys/cryptoKeys/penstock-vertex"
    }
  }
}

mock_provider "google-beta" {}

mock_provider "random" {
  override_during = plan

  mock_resource "random_integer" {
    defaults = {
      result = 1234567890
    }
  }
}

# Nothing is applied: what must never be destroyed could not be taken away after a test.
variables {
  project_id = "demo-project"
  region     = "europe-west4"
}

run "penstock_toml_is_what_was_made" {
  command = plan

  assert {
    condition = {
      for table in split("\n[", trimprefix(output.penstock_toml, "[")) :
      split("]\n", table)[0] => { for line in regexall("(?m)^(\\w+) = (.+)$", split("]\n", table)[1]) : line[0] => jsondecode(line[1]) }
      } == {
      "contexts.vertex" = {
        target          = "vertex"
        project         = "demo-project"
        location        = "europe-west4"
        pipeline_root   = module.vertex.pipeline_root
        service_account = module.foundation.emails["pipeline-runner"]
        network         = "projects/123456789012/global/networks/penstock-network"
        encryption_key  = module.foundation.key_ids["vertex"]
        experiment      = "penstock"
      }
      "contexts.vertex.parameters" = {
        destination  = module.vertex.destinations["penstock"]
        registry_uri = module.vertex.registry_uri
      }
    }
    error_message = "penstock.toml names what the modules made"
  }

  # components/release/destinations/uri.py
  assert {
    condition     = can(regex("^vertex://[^/]+/[^/]+/[0-9]+[?]storage=gs://[^/]+$", module.vertex.destinations["penstock"]))
    error_message = "the destination is one that push_model takes"
  }

  assert {
    condition     = output.platform_settings == ""
    error_message = "there is no Kubernetes"
  }

  assert {
    condition     = module.vertex.pipeline_root == "${module.foundation.bucket_urls["artifacts"]}/pipelines" && module.foundation.emails["pipeline-runner"] == "penstock-pipeline-runner@demo-project.iam.gserviceaccount.com"
    error_message = "pipelines write into the artifacts' bucket, as an account of their own"
  }

  assert {
    condition     = length(module.foundation.kubernetes_service_accounts) == 0 && toset(keys(module.foundation.key_ids)) == toset(["artifacts", "storage", "vertex"])
    error_message = "nothing is made for a cluster"
  }
}

run "tasks_outside_of_the_network_name_none" {
  command = plan

  variables {
    peered_jobs = false
    endpoints   = ["flights", "churn"]
  }

  assert {
    condition     = !strcontains(output.penstock_toml, "network")
    error_message = "a context without a network has none"
  }

  assert {
    condition     = strcontains(output.penstock_toml, "destination = \"${output.destinations["churn"]}\"")
    error_message = "pipelines release to the first endpoint"
  }
}
