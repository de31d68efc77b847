# Who does what with which bucket. Nobody has the bucket of Terraform's state: it is for whoever runs Terraform.
locals {
  access = {
    artifacts = {
      "roles/storage.objectUser"         = concat([for name in ["pipeline-runner", "trainer", "pusher"] : module.iam.members[name]], var.cluster ? [module.iam.members["mlflow"]] : [])
      "roles/storage.objectViewer"       = concat([module.iam.members["serving"]], var.cluster ? [module.iam.members["ui"]] : [])
      "roles/storage.legacyBucketReader" = [for name in ["ci", "pipeline-runner"] : module.iam.members[name]] # a client asks whether the bucket is there before it submits
    }
    data = {
      "roles/storage.objectViewer" = [for name in ["pipeline-runner", "trainer"] : module.iam.members[name]]
    }
    logs = {
      "roles/storage.objectCreator" = [module.iam.members["serving"], "group:cloud-storage-analytics@google.com"] # the latter writes the buckets' access logs
    }
  }
}
