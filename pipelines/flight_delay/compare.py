"""Prints how a model of the flights compares with what is simpler, on the held-out months.

    python pipelines/flight_delay/compare.py EXAMPLES MODEL...

EXAMPLES is ingest_examples's artifact, each MODEL is one of train_model's; run it in the environment of the `tf` family.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import tensorflow as tf
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

LABEL = "is_late"
CATEGORIES = ["carrier", "origin", "destination", "day_of_week", "scheduled_hour"]


def main() -> None:
    """Prints one row per model."""
    parser = argparse.ArgumentParser(description="Compares a model with the base rate, a logistic regression and boosted trees.")
    parser.add_argument("examples", type=Path, help="the Examples, with the Splits train and eval")
    parser.add_argument("models", type=Path, nargs="*", metavar="MODEL", help="a SavedModel")
    arguments = parser.parse_args()
    train, held_out = (pq.read_table(arguments.examples / f"Split-{split}").to_pandas() for split in ("train", "eval"))
    predictions = {
        "base rate": np.full(len(held_out), train[LABEL].mean()),
        "logistic regression": regress(train, held_out),
        "boosted trees": boost(train, held_out),
    }
    names = ["this model"] if len(arguments.models) == 1 else map(str, arguments.models)
    predictions |= {name: predict(model, held_out) for name, model in zip(names, arguments.models, strict=True)}
    rows = {name: figures(held_out[LABEL].to_numpy(), values) for name, values in predictions.items()}
    print(f"{len(train):,} flights to learn from, {len(held_out):,} held out, of which {held_out[LABEL].mean():.2%} are late\n")
    print(pd.DataFrame(rows).T.to_string(float_format="{:.4f}".format))


def regress(train: pd.DataFrame, held_out: pd.DataFrame) -> np.ndarray:
    """Fits a logistic regression (one-hot categories, standardized numbers with missing ones marked) and predicts."""
    numbers = [name for name in train if name not in (*CATEGORIES, LABEL, "month")]
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), CATEGORIES),
        (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), numbers),
    )
    model = make_pipeline(columns, LogisticRegression(max_iter=1000)).fit(train, train[LABEL])
    return model.predict_proba(held_out)[:, 1]


def boost(train: pd.DataFrame, held_out: pd.DataFrame) -> np.ndarray:
    """Fits gradient-boosted trees on every feature, the month among them, and predicts."""
    features = [name for name in train if name != LABEL]
    codes = {name: pd.CategoricalDtype(sorted(train[name].unique())) for name in ("carrier", "origin", "destination")}
    trees = HistGradientBoostingClassifier(
        categorical_features="from_dtype", max_iter=300, learning_rate=0.05, l2_regularization=1.0, random_state=0
    )
    trees.fit(train[features].astype(codes), train[LABEL])
    return trees.predict_proba(held_out[features].astype(codes))[:, 1]


def predict(model: Path, rows: pd.DataFrame) -> np.ndarray:
    """Asks a SavedModel's `serving_default`, feature by feature."""
    loaded = tf.saved_model.load(str(model))
    signature = loaded.signatures["serving_default"]
    _, wanted = signature.structured_input_signature
    answer = signature(**{name: tf.constant(rows[name].to_numpy()) for name in wanted})
    return answer["probabilities"].numpy()[:, 0].astype(float)


def figures(labels: np.ndarray, predictions: np.ndarray) -> dict[str, float]:
    """Returns the figures of binary predictions; calibration is mean prediction over mean label, as TFMA has it."""
    return {
        "AUC": roc_auc_score(labels, predictions),
        "average precision": average_precision_score(labels, predictions),
        "log loss": log_loss(labels, predictions),
        "calibration": predictions.mean() / labels.mean(),
    }


if __name__ == "__main__":
    main()
