mock_provider "google" {}

variables {
  project_id = "demo-project"
  region     = "europe-west4"
}

run "versions_never_change_and_rubbish_goes" {
  command = plan

  assert {
    condition     = one(google_artifact_registry_repository.images.docker_config).immutable_tags
    error_message = "a tag means the same bytes forever"
  }

  assert {
    condition     = { for policy in google_artifact_registry_repository.images.cleanup_policies : policy.id => policy.action } == { keep-versions = "KEEP", delete-untagged = "DELETE" }
    error_message = "untagged images go, the last versions stay"
  }

  assert {
    condition     = one(google_artifact_registry_repository.images.vulnerability_scanning_config).enablement_config == "INHERITED"
    error_message = "images are scanned where the project scans"
  }

  assert {
    condition     = output.repository_url == "europe-west4-docker.pkg.dev/demo-project/penstock-images"
    error_message = "the URL is what docker and the compiler take"
  }
}

run "pulling_is_not_pushing" {
  command = plan

  variables {
    readers = ["serviceAccount:runner@demo-project.iam.gserviceaccount.com"]
    writers = ["serviceAccount:ci@demo-project.iam.gserviceaccount.com"]
  }

  assert {
    condition     = { for grant in google_artifact_registry_repository_iam_member.access : grant.member => grant.role } == { "serviceAccount:runner@demo-project.iam.gserviceaccount.com" = "roles/artifactregistry.reader", "serviceAccount:ci@demo-project.iam.gserviceaccount.com" = "roles/artifactregistry.writer" }
    error_message = "who runs images does not push them"
  }
}
