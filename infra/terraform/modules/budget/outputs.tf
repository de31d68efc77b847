output "budget_id" {
  description = "The budget."
  value       = google_billing_budget.month.id
}
