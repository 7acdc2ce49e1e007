#!/usr/bin/env python3
"""Writes Tests/Fixtures/metrics.json: random predictions with scikit-learn's and scipy's metrics of them.

    python3 scripts/golden/metrics.py       # needs numpy, scipy, scikit-learn

Scores are float32 values; some cases have many ties, few classes, or a class that is never predicted.
"""

import json
from pathlib import Path

import numpy as np
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

FILE = Path(__file__).resolve().parents[2] / "Tests" / "Fixtures" / "metrics.json"


def numbers(array):
    return [float(value) for value in np.asarray(array, dtype=np.float32).ravel()]


def defined(value):
    """scipy's NaN for constant values is 0 here, as JSON and SQLite hold no NaN."""
    return 0.0 if np.isnan(value) else float(value)


def classification(random, examples, classes, digits):
    scores = np.round(random.normal(size=(examples, classes)), digits).astype(np.float32)
    targets = random.integers(0, classes, size=examples)
    likely = random.random(examples) < 0.5
    scores[likely, targets[likely]] += np.float32(1)
    predicted = scores.argmax(-1)
    values = {"accuracy": accuracy_score(targets, predicted),
              "matthews_correlation": matthews_corrcoef(targets, predicted)}
    if classes == 2:
        values["f1"] = f1_score(targets, predicted, zero_division=0)
    return {"outputs": classes, "scores": numbers(scores), "targets": [int(target) for target in targets],
            "metrics": {name: float(value) for name, value in values.items()}}


def regression(random, examples, digits, offset):
    targets = np.round(random.uniform(0, 5, size=examples), digits).astype(np.float32)
    scores = np.round(targets + random.normal(size=examples), digits).astype(np.float32) + np.float32(offset)
    x, y = scores.astype(np.float64), targets.astype(np.float64)
    return {"outputs": 1, "scores": numbers(scores), "targets": numbers(targets),
            "metrics": {"pearson": defined(pearsonr(x, y)[0]), "spearmanr": defined(spearmanr(x, y)[0])}}


def main():
    random = np.random.default_rng(7)
    cases = [classification(random, examples, classes, digits)
             for examples in (3, 12, 40) for classes in (2, 3, 5) for digits in (0, 3)]
    cases += [regression(random, examples, digits, offset)
              for examples in (3, 12, 40) for digits in (0, 1, 5) for offset in (0, 100)]
    cases.append({"outputs": 2, "scores": [1.0, 0.0, 2.0, 1.0, 1.0, 1.0], "targets": [0, 1, 0],
                  "metrics": {"accuracy": 2 / 3, "matthews_correlation": 0.0, "f1": 0.0}})
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    FILE.write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
