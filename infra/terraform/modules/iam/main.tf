locals {
  roles = merge([
    for name, account in var.accounts : { for role in account.project_roles : "${name} ${role}" => { account = name, role = role } }
  ]...)

  kubernetes = merge([
    for name, account in var.accounts : { for subject in account.kubernetes : subject => name } if var.workload_pool != null
  ]...)

  acts_as = merge([
    for name, account in var.accounts : { for other in account.acts_as : "${name} as ${other}" => { account = name, other = other } }
  ]...)
}

resource "google_service_account" "this" {
  for_each     = var.accounts
  project      = var.project_id
  account_id   = "${var.name}-${each.key}"
  display_name = "Penstock: ${each.key}"
  description  = each.value.description
}

resource "google_project_iam_member" "roles" {
  for_each = local.roles
  project  = var.project_id
  role     = each.value.role
  member   = google_service_account.this[each.value.account].member
}

# A Kubernetes service account is the Google one: pods need no key.
resource "google_service_account_iam_member" "kubernetes" {
  for_each           = local.kubernetes
  service_account_id = google_service_account.this[each.value].name
  role               = "roles/iam.workloadIdentityUser"
  member             = "serviceAccount:${var.workload_pool}[${each.key}]"
}

resource "google_service_account_iam_member" "acts_as" {
  for_each           = local.acts_as
  service_account_id = google_service_account.this[each.value.other].name
  role               = "roles/iam.serviceAccountUser"
  member             = google_service_account.this[each.value.account].member
}
