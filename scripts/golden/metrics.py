#!/usr/bin/env python3
"""Writes Tests/Fixtures/metrics.json: random predictions with scikit-learn's and scipy's metrics of them.

    python3 scripts/golden/metrics.py       # needs numpy, scipy, scikit-learn

Scores are float32 values; some cases have many ties, few classes, or a class that is never predicted.
"""

import json
from pathlib import Path

import numpy as np
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import (accuracy_score, f1_score, matthews_corrcoef, mean_absolute_error, mean_squared_error,
                             precision_score, r2_score, recall_score, roc_auc_score)

FILE = Path(__file__).resolve().parents[2] / "Tests" / "Fixtures" / "metrics.json"


def numbers(array):
    return [float(value) for value in np.asarray(array, dtype=np.float32).ravel()]


def defined(value):
    """scipy's NaN for constant values is 0 here, as JSON and SQLite hold no NaN."""
    return 0.0 if np.isnan(value) else float(value)


def averaged(targets, predicted):
    """Precision, recall and F1 in every average."""
    scores = {"precision": precision_score, "recall": recall_score, "f1": f1_score}
    return {f"{name}_{average}": score(targets, predicted, average=average, zero_division=0)
            for name, score in scores.items() for average in ("micro", "macro", "weighted")}


def area(targets, logits):
    """Undefined areas are 0. Probabilities are rounded, so that ties are not broken by the last bit."""
    logits = logits.astype(np.float64)
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    shares = np.round(powers / powers.sum(-1, keepdims=True), 13)
    if len(set(targets)) < logits.shape[1]:
        return 0.0
    if logits.shape[1] == 2:
        return roc_auc_score(targets, shares[:, 1])
    return roc_auc_score(targets, shares, multi_class="ovr", average="macro")


def measured(scores, targets):
    """A case of one class for each example."""
    predicted, classes = scores.argmax(-1), scores.shape[1]
    values = {"accuracy": accuracy_score(targets, predicted),
              "matthews_correlation": matthews_corrcoef(targets, predicted), "roc_auc": area(targets, scores)}
    values |= averaged(targets, predicted)
    if classes == 2:
        values |= {"f1": f1_score(targets, predicted, zero_division=0),
                   "precision": precision_score(targets, predicted, zero_division=0),
                   "recall": recall_score(targets, predicted, zero_division=0)}
    return {"outputs": classes, "scores": numbers(scores), "targets": [int(target) for target in targets],
            "metrics": {name: float(value) for name, value in values.items()}}


def several(random, examples, labels, digits, share, unused=None):
    """A case of any number of labels; `unused` is one that no example has."""
    scores = np.round(random.normal(size=(examples, labels)) * 2, digits).astype(np.float32)
    targets = random.random((examples, labels)) < share
    if unused is not None:
        targets[:, unused] = False
    scores[targets] += np.float32(1)
    predicted = scores > 0
    defined_areas = all(0 < column.sum() < examples for column in targets.T)
    values = {"accuracy": accuracy_score(targets, predicted)} | averaged(targets, predicted)
    values["roc_auc"] = roc_auc_score(targets, scores, average="macro") if defined_areas else 0.0
    return {"outputs": labels, "scores": numbers(scores), "sets": [np.flatnonzero(row).tolist() for row in targets],
            "metrics": {name: float(value) for name, value in values.items()}}


def classification(random, examples, classes, digits):
    scores = np.round(random.normal(size=(examples, classes)), digits).astype(np.float32)
    targets = random.integers(0, classes, size=examples)
    likely = random.random(examples) < 0.5
    scores[likely, targets[likely]] += np.float32(1)
    return measured(scores, targets)


def regression(random, examples, digits, offset):
    targets = np.round(random.uniform(0, 5, size=examples), digits).astype(np.float32)
    scores = np.round(targets + random.normal(size=examples), digits).astype(np.float32) + np.float32(offset)
    x, y = scores.astype(np.float64), targets.astype(np.float64)
    return {"outputs": 1, "scores": numbers(scores), "targets": numbers(targets),
            "metrics": {"pearson": defined(pearsonr(x, y)[0]), "spearmanr": defined(spearmanr(x, y)[0]),
                        "mse": mean_squared_error(y, x), "mae": mean_absolute_error(y, x), "r2": r2_score(y, x)}}


def main():
    random = np.random.default_rng(7)
    cases = [classification(random, examples, classes, digits)
             for examples in (3, 12, 40) for classes in (2, 3, 5) for digits in (0, 3)]
    cases += [regression(random, examples, digits, offset)
              for examples in (3, 12, 40) for digits in (0, 1, 5) for offset in (0, 100)]
    # A class that is never predicted, one that is no label, one class only, ties alone, sure scores.
    rows = lambda *values: np.array(values, dtype=np.float32)
    cases += [
        measured(rows([2, 0, 1], [0, 2, 1], [3, 1, 0], [0, 1, 0]), np.array([0, 1, 2, 2])),
        measured(rows([2, 0, 1], [0, 0, 1], [3, 1, 0], [0, 1, 0]), np.array([0, 1, 0, 1])),
        measured(rows([2, 0], [0, 2], [3, 1]), np.array([0, 0, 0])),
        measured(rows([0, 2], [0, 2], [0, 3]), np.array([1, 1, 1])),
        measured(rows([1, 1], [1, 1], [1, 1], [1, 1]), np.array([0, 1, 1, 0])),
        measured(rows([1, 2, 3], [3, 2, 1], [2, 1, 3], [1, 3, 2], [2, 3, 1]), np.array([0, 0, 1, 2, 2])),
        measured(rows([9, -9], [9, -8], [-9, 9], [8, -9]), np.array([0, 1, 1, 0])),
    ]
    cases += [several(random, examples, labels, digits, share, unused)
              for examples in (4, 30) for labels in (2, 5) for digits in (0, 3) for share in (0.2, 0.7)
              for unused in (None, 0)]
    constant = lambda scores, targets: {
        "outputs": 1, "scores": scores, "targets": targets,
        "metrics": {"mse": mean_squared_error(targets, scores), "mae": mean_absolute_error(targets, scores),
                    "r2": r2_score(targets, scores)}}
    cases += [constant([1.0, 2.0], [3.0, 3.0]), constant([3.0, 3.0], [3.0, 3.0]), constant([3.0, -1.0], [0.0, 1.0])]
    cases.append({"outputs": 2, "scores": [1.0, 0.0, 2.0, 1.0, 1.0, 1.0], "targets": [0, 1, 0],
                  "metrics": {"accuracy": 2 / 3, "matthews_correlation": 0.0, "f1": 0.0}})
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    FILE.write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
