"""Golden values for Sources/Metrics/TextMetrics: BLEU by sacrebleu, ROUGE-L and CIDEr by coco-caption, ROUGE-L F1 by rouge-score.

    pip install sacrebleu==2.6.0 rouge-score==0.1.2 nltk==3.10.4; pip install --no-deps pycocoevalcap==1.2
    python scripts/golden/text_metrics.py E2E_DIR       # needs Java for coco-caption's PTBTokenizer

Writes Tests/TextMetricsTests/Golden: `sample.json` (texts of 25 meaning representations with their scores) and
`devset.json` (the scores alone of the whole development set with the outputs below, which the test makes itself).

The E2E scripts' NIST (pymteval) is no package; its formula is written down here, and where both can be compared (one
reference a text) checked against nltk's. `words` stands for the PTBTokenizer; how many texts it cuts differently is
printed, and of the small sample's hard texts the scores are those of `words`.
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
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer
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


# A word: an ending such as 's alone, a negative number, or word characters with marks between them; abbreviations, initials
# and words before a comma keep their period.
WORD = re.compile(
    r"(?<!\S)'(?:s|re|ve|ll|m|d)(?!\w)|(?:(?<![\w-])-(?=\d))?[^\W_](?:[^\W_]|[-'_](?=[^\W_])|(?<=[^\W\d_])\.(?=[^\W_])|\.(?=\d)|(?<=\d)[,:/](?=\d))*|\S"
)
ABBREVIATIONS = set("st rd ave blvd mr mrs ms dr prof jr sr etc vs".split())
DROPPED = set("'`\".?!,:-;()[]{}…–—")


def words(text):
    text, found = text.lower().replace("’", "'").replace("‘", "'").replace("£", "#"), []
    for match in WORD.finditer(text):
        word = match.group()
        if word in DROPPED:
            continue
        rest = text[match.end() :]
        if word[-1].isalnum() and rest[:1] == "." and (rest[:2] == ".," or word in ABBREVIATIONS or (len(word) == 1 and word.isalpha())):
            word += "."
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


def caption_scores(candidates, references):
    """Of texts that are words with single spaces between them."""
    own = {i: [c] for i, c in enumerate(candidates)}
    others = dict(enumerate(references))
    # Cider copies what it is given; Rouge wants lists of one.
    return Rouge().compute_score(others, own)[0], Cider().compute_score(others, own)[0]


def treebank(texts):
    """By Stanford's tokenizer, as coco-caption calls it."""
    captions = {i: [{"caption": text}] for i, text in enumerate(texts)}
    return [found[0] for _, found in sorted(PTBTokenizer().tokenize(captions).items())]


def scores(candidates, references, uses_treebank):
    most = max(map(len, references))
    streams = [[texts[i] if i < len(texts) else None for texts in references] for i in range(most)]
    bleu = sacrebleu.corpus_bleu(candidates, streams, lowercase=True).score / 100
    rouge = rouge_scorer.RougeScorer(["rougeL"])
    f1 = np.mean([rouge.score_multi(texts, candidate)["rougeL"].fmeasure for candidate, texts in zip(candidates, references)])
    cut = [tokens(c) for c in candidates], [[tokens(t) for t in texts] for texts in references]
    single = cut[0], [[texts[0]] for texts in cut[1]]
    assert abs(nist(*single) - corpus_nist(single[1], single[0])) < 1e-9
    flat = candidates + [text for texts in references for text in texts]
    captions = [" ".join(words(text)) for text in flat]
    if uses_treebank:
        theirs = treebank(flat)
        print(f"{sum(a != b for a, b in zip(captions, theirs))} of {len(flat)} texts are cut differently")
        captions = theirs
    left = iter(captions)
    caption = [next(left) for _ in candidates], [[next(left) for _ in texts] for texts in references]
    rouge_l, cider = caption_scores(*caption)
    values = {"bleu": bleu, "nist": nist(*cut), "rouge_l": rouge_l, "cider": cider, "rouge_l_f1": f1}
    return {name: float(f"{value:.9g}") for name, value in values.items()}


def write(name, value):
    with open(os.path.join(GOLDEN, name), "w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False, indent=0)
        file.write("\n")


def main():
    os.makedirs(GOLDEN, exist_ok=True)
    references = groups(os.path.join(sys.argv[1], "devset.csv"))
    candidates = outputs(references)
    write("devset.json", scores(candidates, references, True))
    # Hard texts beside real ones.
    candidates = candidates[:25] + ["It isn't £20-25, it's 3.5 out of 5; you can't miss it (near \"Café Rouge\") on St. John's Rd., 3/5!", "A-b c_d &quot;x&quot; e.g. U.S. 1,000.50 10:30"]
    references = [texts[:4] for texts in references[:25]] + [["It's not £20-25, it is 3.5 of 5, and you cannot miss it, near Café Rouge."], ["a-b c_d \"x\" e.g. u.s. 1,000.50 at 10:30.", "nothing"]]
    write("sample.json", {"candidates": candidates, "references": references, "scores": scores(candidates, references, False),
                          "tokens": [tokens(c) for c in candidates], "words": [words(c) for c in candidates]})  # fmt: skip


if __name__ == "__main__":
    main()
