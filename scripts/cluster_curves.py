#!/usr/bin/env python3
"""Draws docs/cluster.svg and prints the table of docs/cluster.md: what the model of a step's time predicts.

    scripts/cluster_curves.py           # writes docs/cluster.svg, prints the table
    scripts/cluster_curves.py --check   # compares both files with what the model gives

Everything here is computed. The networks are those of Sources/Training/Run/StepCost.swift.
"""

import argparse
import math
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RANKS = [2, 4, 8, 16, 64, 256, 1000]
THREADS = 16

# Name, bytes of gradients, seconds of a 512-token shard at 190 GFLOP/s a core (bfloat16, Zen 4).
ROBERTA = ("RoBERTa-base, `lora` r 8 on query and value, head", 4 * 887_042, 0.89)
LLAMA = ("LLaMA-7B, `lora` r 64 on all maps", 640_000_000, 109)
SHARE_A = ("the same, `share-a`", 357_000_000, 108)
SHARE_AB = ("the same, `share-ab`", 20_000_000, 107)


def networks():
    """Bytes a second and latency of each network, by name."""
    text = (ROOT / "Sources/Training/Run/StepCost.swift").read_text()
    names = dict(re.findall(r'case (\w+) = "(\w+)"', text))
    values = re.findall(r"case \.(\w+): ([0-9.e-]+)", text)
    found = {name: tuple(float(v) for case, v in values if case == key) for key, name in names.items()}
    if not found or any(len(numbers) != 2 for numbers in found.values()):
        sys.exit("StepCost.swift has no networks in the form that is read here")
    return found


NETWORKS = networks()


def step(shards, ranks, threads, seconds, size, network):
    """Seconds of a step: T(N) of StepCost."""
    rate, latency = NETWORKS[network]
    rounds = math.ceil(math.ceil(shards / ranks) / threads)
    return rounds * seconds + 2 * (ranks - 1) * latency + 2 * size * (ranks - 1) / (ranks * rate)


def efficiency(ranks, each, job, network):
    """Of machines whose threads have `each` shards in a step."""
    _, size, seconds = job
    shards = each * THREADS * ranks
    return step(shards, 1, THREADS, seconds, size, network) / (
        ranks * step(shards, ranks, THREADS, seconds, size, network)
    )


def speedup(ranks, shards, job, network):
    """Of a batch that stays the same."""
    _, size, seconds = job
    return step(shards, 1, THREADS, seconds, size, network) / step(shards, ranks, THREADS, seconds, size, network)


def table():
    lines = [
        "| efficiency, % | network | shards a thread | " + " | ".join(f"N = {n:,}" for n in RANKS) + " |",
        "| --- | --- | ---: |" + " ---: |" * len(RANKS),
    ]
    rows = [(ROBERTA, network, each) for network, each in (("1gb", 1), ("1gb", 4), ("10gb", 1), ("100gb", 1))]
    rows += [(LLAMA, network, 1) for network in NETWORKS] + [(SHARE_A, "1gb", 1), (SHARE_AB, "1gb", 1)]
    for job, network, each in rows:
        cells = " | ".join(f"{100 * efficiency(n, each, job, network):.0f}" for n in RANKS)
        lines.append(f"| {job[0]} | {network} | {each} | {cells} |")
    return "\n".join(lines) + "\n"


class Panel:
    """A diagram with a logarithmic axis of machines."""

    def __init__(self, left, title, label, low, high, ticks, logarithmic=False):
        self.left, self.low, self.high, self.logarithmic = left, low, high, logarithmic
        self.parts = [
            f'<text x="{left}" y="24" font-weight="bold">{title}</text>',
            f'<text x="{left}" y="44" fill="#555">{label}</text>',
            f'<text x="{left + 360}" y="352" text-anchor="end" fill="#555">machines with {THREADS} threads</text>',
        ]
        for value in ticks:
            y = self.y(value)
            self.parts.append(f'<path d="M{left} {y:.1f}h360" stroke="#ddd"/>')
            self.parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
        for value in (1, 10, 100, 1000):
            self.parts.append(f'<text x="{self.x(value):.1f}" y="334" text-anchor="middle">{value:,}</text>')

    def x(self, ranks):
        return self.left + 120 * math.log10(ranks)

    def y(self, value):
        part = (
            math.log(value / self.low) / math.log(self.high / self.low)
            if self.logarithmic
            else (value - self.low) / (self.high - self.low)
        )
        return 316 - 256 * part

    def curve(self, values, colour, name, row, top=58):
        points = [(self.x(n), self.y(v)) for n, v in values]
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        self.parts.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        y = top + 18 * row
        self.parts.append(f'<path d="M{self.left + 10} {y}h20" stroke="{colour}" stroke-width="2"/>')
        self.parts.append(f'<text x="{self.left + 36}" y="{y + 4}">{name}</text>')


def drawing():
    ranks = sorted({round(10 ** (k / 40)) for k in range(121)})
    left = Panel(50, "Batches that grow with the machines", "efficiency, %; one shard a thread", 80, 100, range(80, 101, 5))
    curves = [
        (ROBERTA, "1gb", "#c0392b", "RoBERTa-base, 1 Gb/s"), (ROBERTA, "10gb", "#e08e0b", "RoBERTa-base, 10 Gb/s"),
        (ROBERTA, "100gb", "#8e44ad", "RoBERTa-base, 100 Gb/s"), (LLAMA, "1gb", "#2471a3", "LLaMA-7B lora, 1 Gb/s"),
        (SHARE_A, "1gb", "#17a589", "LLaMA-7B share-a, 1 Gb/s"), (SHARE_AB, "1gb", "#1e8449", "LLaMA-7B share-ab, 1 Gb/s"),
    ]
    for row, (job, network, colour, name) in enumerate(curves):
        left.curve([(n, 100 * efficiency(n, 1, job, network)) for n in ranks], colour, name, row, top=220)
    right = Panel(
        490, "A batch that stays the same", "times as fast as one machine; RoBERTa-base, 10 Gb/s", 0.9, 200,
        (1, 2, 5, 10, 20, 50, 100, 200), logarithmic=True)
    colours = ["#c0392b", "#e08e0b", "#2471a3", "#1e8449"]
    for row, (shards, colour) in enumerate(zip((16, 128, 512, 2048), colours)):
        right.curve([(n, speedup(n, shards, ROBERTA, "10gb")) for n in ranks], colour, f"{shards:,} shards a step", row)
    body = "\n".join(left.parts + right.parts)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 880 364" font-family="sans-serif" font-size="12">\n'
        f'<rect width="880" height="364" fill="#fff"/>\n{body}\n</svg>\n'
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare the documents, write nothing")
    check = parser.parse_args().check
    picture = ROOT / "docs/cluster.svg"
    if not check:
        picture.write_text(drawing())
        print(table(), end="")
    elif picture.read_text() != drawing() or table() not in (ROOT / "docs/cluster.md").read_text():
        sys.exit("docs/cluster.svg or the table of docs/cluster.md is not what the model gives: run without --check")


if __name__ == "__main__":
    main()
