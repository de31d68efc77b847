# The plan of an empty project: what is made has no ID yet, and who is granted what must be known all the same.
mock_provider "google" {
  mock_data "google_project" {
    defaults = {
      number = "123456789012"
    }
  }
}

mock_provider "google-beta" {}

mock_provider "helm" {}

mock_provider "kubernetes" {}

mock_provider "random" {}

variables {
  authorized_networks = { office = "192.0.2.0/24" }
  project_id          = "demo-project"
  region              = "europe-west4"
  github_repository   = "someone/something"
  emails              = ["ml-platform@example.com"]
  budget              = { billing_account = "012345-6789AB-CDEF01", amount = 800 }
}

run "it_can_be_planned" {
  command = plan

  assert {
    condition     = output.repository_url == "europe-west4-docker.pkg.dev/demo-project/penstock-images"
    error_message = "images have a place"
  }
}

run "a_region_that_is_none_is_refused" {
  command = plan

  variables {
    region = "Europe"
  }

  expect_failures = [var.region]
}
