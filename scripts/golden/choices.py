"""Golden values for multiple-choice: prompts and log-likelihoods of tiny decoders by tokenizers, transformers and peft.

    python scripts/golden/choices.py       # after decoders.py; rewrites Tests/TrainingTests/Golden/choices

Writes the questions (MMLU's CSV with its dev file, and JSONL) and `scores.json`: for every case its settings and, question
by question, the prompt and the log-likelihood of each choice, in float64. Prompts are built here anew: `letter` as
github.com/hendrycks/test (but with one space before the subject, as in the paper and in lm-evaluation-harness), `text` as
lm-evaluation-harness's ARC, `continuation` as its HellaSwag. A continuation is tokenized with its prompt, as the harness does.
"""

import csv
import json
import sys
from pathlib import Path

sys.path.pop(0)      # this folder's tokenizers.py would stand before the library

import torch  # noqa: E402
from peft import PeftModel  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402
from transformers import AutoModelForCausalLM  # noqa: E402

GOLDEN = Path(__file__).resolve().parents[2] / "Tests/TrainingTests/Golden"
OUT = GOLDEN / "choices"
LETTERS = "ABCDEFGH"

DEV = [
    ["What did the critics call the film?", "great", "bad, very bad", "a \"story\"", "not good", "B"],
    ["Which is a colour?", "red", "seven", "slowly", "the", "A"],
    ["2 + 2 =", "3", "5", "22", "4", "D"],
]
TEST = [
    ["Is the movie good?\nSay what the story says.", "yes", "no", "it is not", "very", "A"],
    ["Time, said the critic, is", "money", "a film", "great, and good", "bad", "C"],
    ["The first word of \"the old story\" is", "old", "story", "of", "the", "D"],
    ["Café or £5?", "é", "£", "neither", "both", "B"],
    ["Which film is bad? " + "It was a very long story, and the critics said it was not the best of the year. " * 2,
     "the first", "the second", "the third", "none of them", "D"],
]
QUIZ = [
    {"question": "What is the film?", "choices": ["good", "a very good story", "bad"], "answer": 1},
    {"question": "Who was it?", "choices": ["the critic", "é"], "answer": "A"},
    {"question": "The movie is", "choices": ["not bad at all", "it", "great", "of the year", "slow"], "answer": "E"},
]
CASES = [
    {"model": "llama-grouped", "file": "test/old_films_test.csv", "style": "letter", "shots": 3, "length": 512},
    {"model": "llama-grouped", "file": "test/old_films_test.csv", "style": "letter", "shots": 3, "length": 300},
    {"model": "llama-grouped", "file": "test/old_films_test.csv", "style": "letter", "shots": 2, "length": 512, "peft": True},
    {"model": "llama-wide", "file": "test/old_films_test.csv", "style": "letter", "shots": 0, "length": 512},
    {"model": "llama-grouped", "file": "test/old_films_test.csv", "style": "text", "shots": 1, "length": 512},
    {"model": "llama-grouped", "file": "quiz.jsonl", "style": "letter", "shots": 0, "length": 512},
    {"model": "llama-grouped", "file": "quiz.jsonl", "style": "text", "shots": 0, "length": 64},
    {"model": "gpt2-tiny", "file": "quiz.jsonl", "style": "text", "shots": 0, "length": 64},
    {"model": "gpt2-untied", "file": "quiz.jsonl", "style": "continuation", "shots": 0, "length": 64},
    {"model": "gpt2-tiny", "file": "quiz.jsonl", "style": "continuation", "shots": 0, "length": 64, "peft": True},
]


def question_of(row):
    return {"question": row[0], "choices": row[1:-1], "answer": LETTERS.index(row[-1])}


def body(question, style):
    if style == "continuation":
        return question["question"].strip()
    if style == "text":
        return f"Question: {question['question'].strip()}\nAnswer:"
    listed = "".join(f"\n{letter}. {choice}" for letter, choice in zip(LETTERS, question["choices"]))
    return question["question"].strip() + listed + "\nAnswer:"


def endings(question, style):
    names = LETTERS[:len(question["choices"])] if style == "letter" else question["choices"]
    return [" " + name for name in names]


def prompt_of(question, style, subject, shots):
    about = f" about {subject}" if subject else ""
    head = f"The following are multiple choice questions (with answers){about}.\n\n" if style == "letter" else ""
    solved = [body(s, style) + endings(s, style)[s["answer"]] + "\n\n" for s in shots]
    return head + "".join(solved) + body(question, style)


def likelihood(model, tokenizer, prompt, ending):
    """The log-likelihood of `ending`, and how many tokens the text has."""
    whole, alone = tokenizer.encode(prompt + ending).ids, tokenizer.encode(prompt).ids
    start = next((i for i, (a, b) in enumerate(zip(whole, alone)) if a != b), len(alone))
    logs = model(torch.tensor([whole])).logits[0].log_softmax(-1)
    return sum(logs[i - 1, whole[i]].item() for i in range(max(1, start), len(whole))), len(whole)


def scored(case, question, subject, shots, model, tokenizer):
    kept = list(shots)
    while True:
        prompt = prompt_of(question, case["style"], subject, kept)
        longest = max(len(tokenizer.encode(prompt + e).ids) for e in endings(question, case["style"]))
        if longest <= case["length"]:
            break
        kept.pop()          # the last one first
    scores = [likelihood(model, tokenizer, prompt, e)[0] for e in endings(question, case["style"])]
    lengths = [len(e) - 1 for e in endings(question, case["style"])]
    return {"prompt": prompt, "shots": len(kept), "scores": [float(f"{s:.12g}") for s in scores], "lengths": lengths,
            "answer": question["answer"]}


def model_of(case):
    directory = GOLDEN / "decoders" / case["model"]
    changed = {"max_position_embeddings": 512} if case["model"].startswith("llama") else {}
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager", **changed)
    if case.get("peft"):
        model = PeftModel.from_pretrained(model, directory / "peft")
    return model.to(torch.float64).eval(), Tokenizer.from_file(str(directory / "tokenizer.json"))


def write_questions():
    for name, rows in [("dev/old_films_dev.csv", DEV), ("test/old_films_test.csv", TEST)]:
        (OUT / name).parent.mkdir(parents=True, exist_ok=True)
        with open(OUT / name, "w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
    with open(OUT / "quiz.jsonl", "w", encoding="utf-8") as file:
        file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in QUIZ)


@torch.no_grad()
def main():
    torch.set_num_threads(1)
    write_questions()
    quiz = [record | {"answer": record["answer"] if isinstance(record["answer"], int) else LETTERS.index(record["answer"])}
            for record in QUIZ]
    results = []
    for case in CASES:
        is_csv = case["file"].endswith(".csv")
        questions = [question_of(row) for row in TEST] if is_csv else quiz
        shots = [question_of(row) for row in DEV][:case["shots"]]
        model, tokenizer = model_of(case)
        rows = [scored(case, q, "old films" if is_csv else None, shots, model, tokenizer) for q in questions]
        right = sum(max(range(len(r["scores"])), key=r["scores"].__getitem__) == r["answer"] for r in rows)
        normal = [[s / n for s, n in zip(r["scores"], r["lengths"])] for r in rows]
        right_normal = sum(max(range(len(n)), key=n.__getitem__) == r["answer"] for n, r in zip(normal, rows))
        results.append(case | {"accuracy": right / len(rows), "accuracy_norm": right_normal / len(rows), "questions": rows})
        print(case, right, right_normal, [r["shots"] for r in rows])
    with open(OUT / "scores.json", "w", encoding="utf-8") as file:
        json.dump(results, file, ensure_ascii=False, indent=0)
        file.write("\n")


main()
