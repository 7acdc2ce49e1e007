"""Checks configs/run-config.schema.json with the Python package jsonschema: every config of the repository is
accepted, and configs with one mistake each are refused.

    python scripts/golden/check_schema.py
"""

import copy
import json
import pathlib
import re

import jsonschema

CONFIGS = pathlib.Path(__file__).resolve().parents[2] / "configs"

MISTAKES = {
    "adapter.r": 0,
    "adapter.strategy": "loora",
    "adapter.target_modules": [],
    "adapter.rank": 8,
    "adapter.lora_dropout": 1,
    "adapter.aslora": {"candidates": "none"},
    "training.learning_rate": 0,
    "training.adam_beta1": 1.0,
    "training.max_steps": -2,
    "training.shuffle": "yes",
    "training.seed": 1.5,
    "task.name": None,
    "task.text_columns": ["a", "b", "c"],
    "model": "",
    "sweep": {"training.seed": 3},
    "unknown": 1,
}


def parse(text: str) -> dict:
    """JSON with comments and trailing commas."""
    text = re.sub(r'("(?:\\.|[^"\\])*")|//[^\n]*', lambda match: match[1] or "", text)
    return json.loads(re.sub(r",(\s*[}\]])", r"\1", text))


def main() -> None:
    schema = json.loads((CONFIGS / "run-config.schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    accepted = 0
    for path in sorted(CONFIGS.glob("*.json")):
        if path.name.endswith(".schema.json"):
            continue
        validator.validate(parse(path.read_text()))
        accepted += 1
    start = parse((CONFIGS / "quickstart-sweep.json").read_text())
    for path, value in MISTAKES.items():
        config = copy.deepcopy(start)
        section = config
        *sections, key = path.split(".")
        for name in sections:
            section = section.setdefault(name, {})
        section[key] = value
        assert not validator.is_valid(config), f"{path}: {value!r} is accepted"
    print(f"{accepted} configs accepted, {len(MISTAKES)} mistakes refused")


if __name__ == "__main__":
    main()
