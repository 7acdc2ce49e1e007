#!/usr/bin/env python3
"""Writes Tests/Fixtures/seqeval.json: random tags with seqeval's metrics and entities of them.

    python3 scripts/golden/seqeval.py       # needs seqeval 1.2.2, numpy, scikit-learn

Tags are class numbers; `names` says what they are called. Schemes are IOB2, IOB1, IOBES, IOE2, parts of speech and odd
spellings; some cases have one tag alone, a type that is never predicted, or nothing but O.
"""

import json
import random
import sys
import warnings
from pathlib import Path

sys.path.append(sys.path.pop(0))    # this file must not stand before the library

from seqeval.metrics import accuracy_score, f1_score, precision_score, recall_score
from seqeval.metrics.sequence_labeling import get_entities

FILE = Path(__file__).resolve().parents[2] / "Tests" / "Fixtures" / "seqeval.json"


def scheme(prefixes, types):
    return ["O"] + [f"{prefix}-{kind}" for kind in types for prefix in prefixes]


SCHEMES = [
    scheme("BI", ["LOC", "PER"]), scheme("BI", ["LOC", "ORG", "PER", "MISC"]), scheme("BIES", ["LOC", "PER"]),
    scheme("IE", ["A", "B-C"]), scheme("IB", ["x"]), ["ADJ", "NOUN", "VERB", "X", ".", "OTHER", "EX", "SYM", "INTJ", "B", "I"],
    ["O", "B", "I", "B-", "I-", "E-PER", "S-PER", "O-PER", "-", ".", "X", "b-per", "é-PER", "e\u0301-PER", "B-é", "B-e\u0301"],
]


def case(names, predicted, labels):
    def texts(rows):
        return [[names[tag] for tag in row] for row in rows]
    right, found = texts(labels), texts(predicted)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        metrics = {"precision": precision_score(right, found), "recall": recall_score(right, found),
                   "f1": f1_score(right, found), "accuracy": accuracy_score(right, found)}
        entities = [[[kind, start, end] for kind, start, end in get_entities(row)] for row in found]
    return {"names": names, "predicted": predicted, "labels": labels,
            "metrics": {name: float(value) for name, value in metrics.items()}, "entities": entities}


def drawn(draw, names, sentences, share):
    labels, predicted = [], []
    for _ in range(sentences):
        row = [draw.randrange(len(names)) for _ in range(draw.randint(1, 12))]
        if draw.random() < 0.5:     # stretches of one tag are commoner than chance
            row = [row[i - i % 3] for i in range(len(row))]
        labels.append(row)
        predicted.append([tag if draw.random() < share else draw.randrange(len(names)) for tag in row])
    return case(names, predicted, labels)


def main():
    draw = random.Random(17)
    cases = [drawn(draw, names, draw.randint(1, 12), share) for names in SCHEMES for share in (0, 0.5, 0.9, 1) for _ in (1, 2)]
    iob = SCHEMES[0]
    cases += [
        case(iob, [[0, 0], [0]], [[0, 0], [0]]), case(iob, [[0, 0]], [[1, 2]]), case(iob, [[1, 2]], [[0, 0]]),
        case(iob, [[2, 2, 1], [2]], [[1, 2, 1], [1]]), case(["O"], [[0]], [[0]]),
        case(["X", "O"], [[1, 0], [0, 1], [0]], [[0, 1], [0, 0], [1]]),
    ]
    FILE.write_text("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")
    print(f"{len(cases)} cases, {FILE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
