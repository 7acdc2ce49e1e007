"""Golden METEOR scores by pycocoevalcap: Tests/TextMetricsTests/Golden/meteor.json.

    python scripts/golden/meteor.py E2E_DIR        # after text_metrics.py; needs Java and some minutes

`sample`: the texts of sample.json, cut into words as there. `devset`: the whole development set with text_metrics.py's
outputs, cut by Stanford's tokenizer, as the E2E scripts do.
"""

import json
import os
import sys

from pycocoevalcap.meteor.meteor import Meteor

from text_metrics import GOLDEN, groups, outputs, treebank, words


def score(candidates, references):
    own = {i: [c] for i, c in enumerate(candidates)}
    return Meteor().compute_score(dict(enumerate(references)), own)[0]


def main():
    with open(os.path.join(GOLDEN, "sample.json"), encoding="utf-8") as file:
        sample = json.load(file)
    cut = lambda text: " ".join(words(text))
    found = {"sample": score(list(map(cut, sample["candidates"])), [list(map(cut, r)) for r in sample["references"]])}
    references = groups(os.path.join(sys.argv[1], "devset.csv"))
    candidates = outputs(references)
    left = iter(treebank(candidates + [text for texts in references for text in texts]))
    candidates = [next(left) for _ in candidates]
    found["devset"] = score(candidates, [[next(left) for _ in texts] for texts in references])
    with open(os.path.join(GOLDEN, "meteor.json"), "w", encoding="utf-8") as file:
        json.dump({name: float(f"{value:.9g}") for name, value in found.items()}, file, indent=0)
        file.write("\n")


main()
