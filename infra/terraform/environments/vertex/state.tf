# The bucket of Terraform's state was there before Terraform was: it is taken over, and kept like the others.
variable "state_bucket" {
  type        = string
  description = "The bucket that Terraform's state is in, PROJECT-NAME-state, until it has been taken over. Null: it has."
  default     = null
}

import {
  for_each = var.state_bucket == null ? {} : { state = var.state_bucket }
  to       = module.foundation.module.storage.google_storage_bucket.this[each.key]
  id       = each.value
}
