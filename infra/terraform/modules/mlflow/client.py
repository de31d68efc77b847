"""Makes MLflow's user for pipelines, or gives it the password again. It administers nothing: it manages what it makes, and reads the rest."""

import os

from mlflow.exceptions import RestException
from mlflow.server import get_app_client

users = get_app_client("basic-auth", tracking_uri=os.environ["MLFLOW_TRACKING_URI"])
name, password = os.environ["CLIENT_USERNAME"], os.environ["CLIENT_PASSWORD"]
try:
    users.create_user(name, password)
except RestException as error:
    if error.error_code != "RESOURCE_ALREADY_EXISTS":
        raise
    users.update_user_password(name, password)
