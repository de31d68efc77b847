provider "google" {
  project               = var.project_id
  region                = var.region
  user_project_override = true # budgets are asked for in the project's name
  billing_project       = var.project_id
}

provider "google-beta" {
  project               = var.project_id
  region                = var.region
  user_project_override = true
  billing_project       = var.project_id
}
