# What ingest_examples needs for bigquery://: the tables, and in this project queries and sessions that read.
locals {
  bigquery_readers = toset(["pipeline-runner", "trainer"])

  bigquery_tables = {
    for pair in setproduct(local.bigquery_readers, var.bigquery_datasets) : join(" ", pair) => {
      account = pair[0]
      project = regex("^(.*)[.]", pair[1])[0]
      dataset = regex("[^.]+$", pair[1])
    }
  }

  bigquery_jobs = {
    for pair in setproduct(length(var.bigquery_datasets) > 0 ? local.bigquery_readers : [], ["roles/bigquery.jobUser", "roles/bigquery.readSessionUser"]) :
    join(" ", pair) => { account = pair[0], role = pair[1] }
  }
}

resource "google_bigquery_dataset_iam_member" "tables" {
  for_each   = local.bigquery_tables
  project    = each.value.project
  dataset_id = each.value.dataset
  role       = "roles/bigquery.dataViewer"
  member     = module.iam.members[each.value.account]
}

resource "google_project_iam_member" "bigquery" {
  for_each = local.bigquery_jobs
  project  = var.project_id
  role     = each.value.role
  member   = module.iam.members[each.value.account]
}
