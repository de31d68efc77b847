mock_provider "google" {}

variables {
  project_id      = "demo-project"
  project_number  = "123456789012"
  billing_account = "012345-6789AB-CDEF01"
  amount          = 800
  emails          = ["ml-platform@example.com"]
}

run "this_project_only_and_in_time" {
  command = apply

  assert {
    condition     = one(google_billing_budget.month.budget_filter).projects == toset(["projects/123456789012"])
    error_message = "the budget is this project's"
  }

  assert {
    condition     = toset([for rule in google_billing_budget.month.threshold_rules : "${rule.spend_basis} ${rule.threshold_percent}"]) == toset(["CURRENT_SPEND 0.5", "CURRENT_SPEND 0.8", "CURRENT_SPEND 1", "FORECASTED_SPEND 1"])
    error_message = "somebody is told on the way, and when the forecast says so"
  }

  assert {
    condition     = length(one(google_billing_budget.month.all_updates_rule).monitoring_notification_channels) == 1 && one(google_billing_budget.month.all_updates_rule).disable_default_iam_recipients == false
    error_message = "the given people and the billing administrators are told"
  }
}

run "a_malformed_account_is_refused" {
  command = plan

  variables {
    billing_account = "billingAccounts/1"
  }

  expect_failures = [var.billing_account]
}
