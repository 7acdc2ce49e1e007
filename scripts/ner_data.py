#!/usr/bin/env python3
"""Writes a data set of named entities: sentences from templates, with people, places and organisations.

    python scripts/ner_data.py DIRECTORY [--train 2000] [--dev 500] [--seed 7] [--format conll|jsonl]

A rerun with the same arguments gives equal files, train.conll and dev.conll. Most names of dev are in no sentence of train.
Names are ambiguous on purpose: towns are surnames too, companies are called after their founders or towns, clubs go by
their town alone, months and plain nouns are names now and then, and some sentences have no entity. A share of all text is
in lower case or all capitals. Needs Python alone.
"""

import argparse
import json
import random
from pathlib import Path

# Sounds of made-up names: no word list is copied from anywhere.
STARTS = ("Al Bar Cor Dan El Far Gar Hal Ing Jor Kel Lan Mar Nor Os Pel Quin Ros Sal Tor Ul Ver Wal Yor Zan Bren Chel "
          "Drum Fen Glen Har Kirk Led Mel New Pen Rad Stan Thorn West").split()
MIDDLES = "a e i o an en il or ber der din ga la ling man ner ra ri sen ta ti vi wa".split()
TOWN_ENDS = "ton ham ford burg ville mouth field stad dorf grad polis by wick port".split()
SURNAME_ENDS = "son sen man ov ski ez ini er ford ton ham ley wright well".split()
FIRST_ENDS = "a ia o us in en ette ard ina elle an is".split()

FIRST = "May April June Grace Mark Bill Rose Will Frank Hope Chase Art Dawn Pat".split()
COMPANY = "Group Holdings Bank Motors Systems Industries Partners Airways Foods Energy".split()
BODIES = ["University of {town}", "{town} University", "Bank of {town}", "{town} City Council", "{town} Hospital",
          "Ministry of {noun}", "Department of {noun}", "{town} United", "{town} Rovers", "{name} Foundation"]
NOUNS = "Finance Transport Health Trade Culture Energy Justice Labour".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = "January March April May June August October December".split()
JOBS = "minister captain analyst spokesman coach director farmer teacher judge editor".split()

# {P} a person, {S} a surname alone, {L} a place, {O} an organisation, {c} a club by its town alone.
TEMPLATES = """{P} arrived in {L} on {day} .
{P} , a {job} from {L} , joined {O} in {month} .
{O} said it would open an office in {L} .
Shares of {O} fell {n} percent in {L} on {day} .
{S} told reporters in {L} that {O} had no plans to sell .
The {job} of {O} , {P} , resigned on {day} .
{c} beat {c} {n} - {m} at home .
{c} lost to {O} in {L} .
{P} scored twice for {c} in the last minutes .
In {month} , {S} left {O} for {O} .
A train from {L} to {L} was late on {day} .
{O} , based in {L} , hired {P} as {job} .
{L} and {L} signed a treaty in {month} .
" We will not move , " {S} said , leaving {L} .
{P} and {P} met at {O} .
The mayor of {L} praised {S} .
{S} 's house in {L} was sold to {O} .
{O} and {O} will merge , the {job} said .
Rain fell in {L} , {L} and {L} .
{P} ( {O} ) finished before {P} ( {O} ) .
The {job} bought bread on {day} and went home .
It may rain in {month} , the {job} said .
Prices rose {n} percent in {month} .
May I ask why {S} left ?
The bank in the old town was closed on {day} .
{day} 's game in {L} was cancelled , {c} said .
{O} sued {S} in a court in {L} .
Mr. {S} of {L} flew with {O} to {L} .""".split("\n")


class Names:
    """Names of one split, of which a share is known to both."""

    def __init__(self, draw, shared):
        self.draw, self.shared = draw, shared
        self.towns = [self.town() for _ in range(60)]
        self.surnames = [self.surname() for _ in range(80)]
        self.firsts = [self.first() for _ in range(50)]

    def made(self, ends):
        middle = self.draw.choice(MIDDLES) if self.draw.random() < 0.6 else ""
        return self.draw.choice(STARTS) + middle + self.draw.choice(ends)

    def town(self):
        name = self.made(TOWN_ENDS)
        return f"{self.draw.choice(['New', 'East', 'Port', 'Saint'])} {name}" if self.draw.random() < 0.15 else name

    def surname(self):
        return self.made(SURNAME_ENDS)

    def first(self):
        return self.draw.choice(FIRST) if self.draw.random() < 0.2 else self.made(FIRST_ENDS)

    def pick(self, kind):
        source = self.shared if self.shared and self.draw.random() < 0.25 else self
        return self.draw.choice(getattr(source, kind))

    def place(self):
        return self.pick("towns")

    def last(self):
        return self.pick("towns").split()[-1] if self.draw.random() < 0.15 else self.pick("surnames")

    def person(self):
        last = self.last()
        if self.draw.random() < 0.1:
            last = f"{last}-{self.last()}"
        return f"{self.pick('firsts')} {last}"

    def organisation(self):
        kind = self.draw.random()
        if kind < 0.35:
            return f"{self.last()} {self.draw.choice(COMPANY)}"
        if kind < 0.45:
            return f"{self.last()} & {self.last()}"
        if kind < 0.55:
            return self.made(["ex", "on", "ia", "tec", "soft"])
        if kind < 0.62:
            return "".join(self.draw.choice("ABCDEFGHIKLMNOPRSTUV") for _ in range(self.draw.randint(3, 4)))
        return self.draw.choice(BODIES).format(
            town=self.place(), noun=self.draw.choice(NOUNS), name=self.last())


def sentence(draw, names):
    """Words and tags of one sentence."""
    words, tags = [], []
    for part in draw.choice(TEMPLATES).split():
        made = {"{P}": (names.person, "PER"), "{S}": (names.last, "PER"), "{L}": (names.place, "LOC"),
                "{O}": (names.organisation, "ORG"), "{c}": (names.place, "ORG")}.get(part)
        if made:
            text, kind = made[0]().split(), made[1]
            words += text
            tags += [f"B-{kind}"] + [f"I-{kind}"] * (len(text) - 1)
            continue
        words.append(part.format(day=draw.choice(DAYS), month=draw.choice(MONTHS), job=draw.choice(JOBS),
                                 n=draw.randint(1, 40), m=draw.randint(0, 5)))
        tags.append("O")
    style = draw.random()
    if style < 0.05:
        words = [word.upper() for word in words]
    elif style < 0.1:
        words = [word.lower() for word in words]
    return words, tags


def write(path, rows, form):
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        for words, tags in rows:
            if form == "jsonl":
                file.write(json.dumps({"tokens": words, "ner_tags": tags}) + "\n")
            else:
                file.writelines(f"{word} {tag}\n" for word, tag in zip(words, tags))
                file.write("\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--train", type=int, default=2000)
    parser.add_argument("--dev", type=int, default=500)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--format", choices=["conll", "jsonl"], default="conll")
    options = parser.parse_args()
    draw = random.Random(options.seed)
    train = Names(draw, None)
    dev = Names(draw, train)
    options.directory.mkdir(parents=True, exist_ok=True)
    for name, names, count in (("train", train, options.train), ("dev", dev, options.dev)):
        rows = [sentence(draw, names) for _ in range(count)]
        write(options.directory / f"{name}.{options.format}", rows, options.format)


if __name__ == "__main__":
    main()
