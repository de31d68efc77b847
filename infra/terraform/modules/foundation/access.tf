# Who does what with which bucket. The bucket of Terraform's state is not here: only the people who run Terraform need it.
# What serves reads the bucket of the models alone, where only those may write who release: no training can change what a pod loads.
locals {
  access = {
    artifacts = {
      "roles/storage.objectUser"         = [for name in ["pipeline-runner", "trainer", "pusher"] : module.iam.members[name]]
      "roles/storage.objectViewer"       = var.cluster ? [module.iam.members["ui"]] : []
      "roles/storage.legacyBucketReader" = [for name in ["ci", "pipeline-runner"] : module.iam.members[name]] # a client asks whether the bucket is there before it submits
    }
    tracking = {
      "roles/storage.objectUser" = var.cluster ? [module.iam.members["mlflow"]] : []
    }
    models = {
      "roles/storage.objectUser"   = [for name in ["pipeline-runner", "pusher"] : module.iam.members[name]]
      "roles/storage.objectViewer" = [module.iam.members["serving"]]
    }
    data = {
      "roles/storage.objectViewer" = [for name in ["pipeline-runner", "trainer"] : module.iam.members[name]]
    }
    logs = {
      "roles/storage.objectCreator" = [module.iam.members["serving"], "group:cloud-storage-analytics@google.com"] # the latter writes the buckets' access logs
    }
  }
}
