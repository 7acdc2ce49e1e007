#!/usr/bin/env python3
"""Writes configs/quickstart-data/{train,dev}.tsv: the quick start's own data set (CC0), in SST-2's layout.

    python3 scripts/make_quickstart_data.py [DIRECTORY]

Restaurant reviews in one sentence; label 1 where the guest is pleased. What is said of the food, good or bad, may
stand under a negation or not, and a second, neutral clause carries negations that change nothing. So the words alone
do not tell the label: their order and scope do. The same seed always writes the same bytes. Needed only to change
the data; the files are committed.
"""

import random
import sys
from pathlib import Path

SEED, TRAIN, DEV, NEGATED_SHARE = 20240229, 1600, 400, 0.3

THINGS = ["soup", "bread", "pasta", "salad", "fish", "pizza", "cake", "coffee", "curry", "omelette", "pie", "stew",
          "rice", "sandwich", "burger", "lasagne", "risotto", "steak", "dessert", "breakfast", "service", "waiter",
          "cook", "dining room"]
GOOD = ["good", "tasty", "excellent", "delicious", "wonderful", "pleasant", "lovely", "great", "superb", "impressive",
        "satisfying", "delightful"]
BAD = ["bad", "awful", "terrible", "horrible", "dreadful", "unpleasant", "disgusting", "poor", "disappointing",
       "miserable", "mediocre", "dismal"]
PLAIN = ["the {t} was {a}", "the {t} was {d} {a}", "I found the {t} {a}", "I would call the {t} {a}",
         "my friends said that the {t} was {a}", "it is true that the {t} was {a}", "everyone thought the {t} was {a}"]
NEGATED = ["the {t} was not {a}", "the {t} was not {d} {a}", "I did not find the {t} {a}",
           "I would never call the {t} {a}", "my friends denied that the {t} was {a}",
           "it is not true that the {t} was {a}", "nobody thought the {t} was {a}"]
DEGREES = ["really", "truly", "especially", "very"]
NEUTRAL = ["we went on a {day}", "we did not go on a {day}", "I never go there on a {day}", "I was there on a {day}",
           "it was a {day}", "it was not a {day}", "nobody was there on that {day}", "everyone was there on that {day}"]
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


def sentence(chance):
    pleased_word, negated = chance.random() < 0.5, chance.random() < NEGATED_SHARE
    opinion = chance.choice(NEGATED if negated else PLAIN).format(
        t=chance.choice(THINGS), d=chance.choice(DEGREES), a=chance.choice(GOOD if pleased_word else BAD))
    neutral = chance.choice(NEUTRAL).format(day=chance.choice(DAYS))
    first, second = (opinion, neutral) if chance.random() < 0.5 else (neutral, opinion)
    return f"{first}, and {second}.", int(pleased_word != negated)


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent / "configs" / "quickstart-data"
    folder.mkdir(parents=True, exist_ok=True)
    chance, rows = random.Random(SEED), {}
    while len(rows) < TRAIN + DEV:
        text, label = sentence(chance)
        rows[text[0].upper() + text[1:]] = label
    lines = [f"{text}\t{label}\n" for text, label in rows.items()]
    for name, part in (("train.tsv", lines[:TRAIN]), ("dev.tsv", lines[TRAIN:])):
        (folder / name).write_text("sentence\tlabel\n" + "".join(part), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
