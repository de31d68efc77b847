"""Links to the sources of the rules."""

ISSUE = "https://github.com/kubeflow/pipelines/issues/"
PULL = "https://github.com/kubeflow/pipelines/pull/"
SOURCE = "https://github.com/kubeflow/pipelines/blob/master/"
KFP_GUIDE = "https://www.kubeflow.org/docs/components/pipelines/user-guides/core-functions/"
LOCAL_GUIDE = f"{KFP_GUIDE}execute-kfp-pipelines-locally/"
VERTEX_GUIDE = "https://cloud.google.com/vertex-ai/docs/pipelines/"
