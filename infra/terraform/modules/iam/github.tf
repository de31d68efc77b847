# GitHub's own tokens are exchanged for short-lived ones of the account ci: there is no key to lose.
locals {
  github = var.github_repository == null ? {} : { (var.github_repository) = var.github_ref }
}

resource "google_iam_workload_identity_pool" "github" {
  for_each                  = local.github
  project                   = var.project_id
  workload_identity_pool_id = "${var.name}-github"
  display_name              = "GitHub workflows"
}

resource "google_iam_workload_identity_pool_provider" "github" {
  for_each                           = local.github
  project                            = var.project_id
  workload_identity_pool_id          = google_iam_workload_identity_pool.github[each.key].workload_identity_pool_id
  workload_identity_pool_provider_id = "github"
  attribute_condition                = "assertion.repository == '${each.key}' && assertion.ref == '${each.value}'"

  attribute_mapping = {
    "google.subject"       = "assertion.sub"
    "attribute.repository" = "assertion.repository"
    "attribute.ref"        = "assertion.ref"
  }

  oidc {
    issuer_uri = "https://token.actions.githubusercontent.com"
  }
}

resource "google_service_account_iam_member" "github" {
  for_each           = local.github
  service_account_id = google_service_account.this["ci"].name
  role               = "roles/iam.workloadIdentityUser"
  member             = "principalSet://iam.googleapis.com/${google_iam_workload_identity_pool.github[each.key].name}/attribute.repository/${each.key}"
}
