"""Golden values for Sources/TextMetrics: BLEU by sacrebleu, ROUGE-L F1 by rouge-score, the others by their formulas.

    pip install sacrebleu==2.6.0 rouge-score==0.1.2 nltk==3.10.4
    python scripts/golden/text_metrics.py E2E_DIR

Writes Tests/TextMetricsTests/Golden: `sample.json` (texts of 25 meaning representations with their scores) and
`devset.json` (the scores alone of the whole development set with the outputs below, which the test makes itself).

The E2E scripts' own NIST (pymteval), ROUGE-L and CIDEr (coco-caption) are no package; their formulas are written down
here. Where both can be compared (one reference a text), NIST is checked against nltk's. Their caption metrics cut words
by Stanford's PTBTokenizer (Java); `words` here stands for it.
"""

import csv
import json
import math
import os
import re
import sys
from collections import Counter

import numpy as np
import sacrebleu
from nltk.translate.nist_score import corpus_nist
from rouge_score import rouge_scorer
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "Tests", "TextMetricsTests", "Golden")
TOKENIZE = Tokenizer13a()


def groups(path):
    """References by meaning representation, in file order."""
    found = {}
    with open(path, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["mr"], []).append(row["ref"])
    return list(found.values())


def outputs(references):
    """What the model is to have written: of even ones the first reference without every fifth word, of odd ones the next's last."""
    made = []
    for i, own in enumerate(references):
        if i % 2 == 0:
            made.append(" ".join(w for j, w in enumerate(own[0].split(" ")) if j % 5 != 4))
        else:
            made.append(references[(i + 1) % len(references)][-1])
    return made


def tokens(text):
    return TOKENIZE(text.lower()).split()


WORD = re.compile(r"[^\W_](?:[^\W_]|[-'_](?=[^\W_])|(?<=[^\W\d_])\.(?=[^\W_])|\.(?=\d)|(?<=\d)[,:](?=\d))*|\S")
DROPPED = set("'`\".?!,:-;()[]{}…–—")


def words(text):
    found = []
    for word in WORD.findall(text.lower().replace("’", "'").replace("‘", "'")):
        if word in DROPPED:
            continue
        ending = next((e for e in ["n't", "'s", "'re", "'ve", "'ll", "'m", "'d"] if word.endswith(e) and len(word) > len(e)), None)
        found += [word[: -len(ending)], ending] if ending else ["can", "not"] if word == "cannot" else [word]
    return found


def ngrams(sequence, n):
    return Counter(tuple(sequence[i : i + n]) for i in range(len(sequence) - n + 1))


def nist(candidates, references):
    occurrences, lengths = Counter(), 0.0
    for texts in references:
        lengths += np.mean([len(t) for t in texts])
        for text in texts:
            occurrences[()] += len(text)
            for n in range(1, 6):
                occurrences.update(ngrams(text, n))
    total = 0.0
    for n in range(1, 6):
        information, count = 0.0, 0
        for candidate, texts in zip(candidates, references):
            highest = Counter()
            for text in texts:
                highest |= ngrams(text, n)
            own = ngrams(candidate, n)
            count += sum(own.values())
            information += sum(c * math.log2(occurrences[g[:-1]] / occurrences[g]) for g, c in (own & highest).items())
        total += information / count
    ratio = sum(map(len, candidates)) / lengths
    return total * (1 if ratio >= 1 else math.exp(math.log(0.5) * (math.log(ratio) / math.log(1.5)) ** 2))


def common(a, b):
    table = np.zeros((len(a) + 1, len(b) + 1), int)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            table[i + 1, j + 1] = table[i, j] + 1 if x == y else max(table[i, j + 1], table[i + 1, j])
    return table[-1, -1]


def rouge_l(candidates, references, beta=1.2):
    scores = []
    for candidate, texts in zip(candidates, references):
        lengths = [common(candidate, text) for text in texts]
        precision = max(length / len(candidate) for length in lengths)
        recall = max(length / len(text) for length, text in zip(lengths, texts))
        scores.append((1 + beta**2) * precision * recall / (recall + beta**2 * precision) if precision and recall else 0)
    return np.mean(scores)


def cider(candidates, references, sigma=6.0):
    frequency = Counter()
    for texts in references:
        frequency.update({g for text in texts for n in range(1, 5) for g in ngrams(text, n)})
    documents = math.log(len(references))

    def vector(sequence, n):
        return {g: c * (documents - math.log(max(1.0, frequency[g]))) for g, c in ngrams(sequence, n).items()}

    norm = lambda v: math.sqrt(sum(w * w for w in v.values()))  # noqa: E731
    scores = []
    for candidate, texts in zip(candidates, references):
        by_reference = []
        for text in texts:
            values = []
            for n in range(1, 5):
                h, r = vector(candidate, n), vector(text, n)
                value = sum(min(w, r.get(g, 0)) * r.get(g, 0) for g, w in h.items())
                values.append(value / (norm(h) * norm(r)) if norm(h) and norm(r) else 0)
            by_reference.append(np.mean(values) * math.exp(-((len(candidate) - len(text)) ** 2) / (2 * sigma**2)))
        scores.append(10 * np.mean(by_reference))
    return np.mean(scores)


def scores(candidates, references):
    most = max(map(len, references))
    streams = [[texts[i] if i < len(texts) else None for texts in references] for i in range(most)]
    bleu = sacrebleu.corpus_bleu(candidates, streams, lowercase=True).score / 100
    rouge = rouge_scorer.RougeScorer(["rougeL"])
    f1 = np.mean([rouge.score_multi(texts, candidate)["rougeL"].fmeasure for candidate, texts in zip(candidates, references)])
    cut = [tokens(c) for c in candidates], [[tokens(t) for t in texts] for texts in references]
    single = cut[0], [[texts[0]] for texts in cut[1]]
    assert abs(nist(*single) - corpus_nist(single[1], single[0])) < 1e-9
    caption = [words(c) for c in candidates], [[words(t) for t in texts] for texts in references]
    values = {"bleu": bleu, "nist": nist(*cut), "rouge_l": rouge_l(*caption), "cider": cider(*caption), "rouge_l_f1": f1}
    return {name: float(f"{value:.9g}") for name, value in values.items()}


def write(name, value):
    with open(os.path.join(GOLDEN, name), "w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False, indent=0)
        file.write("\n")


def main():
    os.makedirs(GOLDEN, exist_ok=True)
    references = groups(os.path.join(sys.argv[1], "devset.csv"))
    candidates = outputs(references)
    write("devset.json", scores(candidates, references))
    # Hard texts beside real ones.
    candidates = candidates[:25] + ["It isn't £20-25, it's 3.5 out of 5; you can't miss it (near \"Café Rouge\")!", "A-b c_d &quot;x&quot; e.g. U.S. 1,000.50 10:30"]
    references = [texts[:4] for texts in references[:25]] + [["It's not £20-25, it is 3.5 of 5, and you cannot miss it, near Café Rouge."], ["a-b c_d \"x\" e.g. u.s. 1,000.50 at 10:30.", "nothing"]]
    write("sample.json", {"candidates": candidates, "references": references, "scores": scores(candidates, references),
                          "tokens": [tokens(c) for c in candidates], "words": [words(c) for c in candidates]})  # fmt: skip


main()
