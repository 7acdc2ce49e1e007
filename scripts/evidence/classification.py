"""Runs of MiniLM on tasks of GLUE."""

import json
import os
import shutil

from comparison import comparable
from halves import split_table, training_examples
from program import call, call_measured, machine, record, sha256


class Classification:
    def __init__(self, plan, arguments):
        self.plan, self.arguments = plan, arguments
        self.tasks = {name: task for name, task in plan.tasks.items() if "folder" in task}
        self.halves = {name: split_table(task, arguments.glue, arguments.work, plan.settings["split_seed"])
                       for name, task in self.tasks.items()}
        self.examples = {name: training_examples(task, arguments.glue) for name, task in self.tasks.items()}
        self.model = sha256(arguments.model / "model.safetensors")
        self.data = {name: {file: sha256(arguments.glue / task["folder"] / file) for file in ("train.tsv", "dev.tsv")}
                     for name, task in self.tasks.items()}

    def config(self, cell, output):
        task, s = self.tasks[cell.task], self.plan.settings
        selection, report = self.halves[cell.task]
        data = {"name": cell.task, "train_file": str(self.arguments.glue / task["folder"] / "train.tsv"),
                "validation_file": str(selection), "test_file": str(report)}
        if "max_train_samples" in task:
            data["max_train_samples"] = task["max_train_samples"]
        return {
            "name": cell.name, "model": str(self.arguments.model), "task": data,
            "adapter": {"target_modules": s["target_modules"], "lora_alpha": s["lora_alpha"]} | self.plan.adapter(cell),
            "training": {
                "num_train_epochs": s["num_train_epochs"], "train_batch_size": s["train_batch_size"],
                "learning_rate": cell.rate, "precision": s["precision"], "seed": cell.seed, "eval_strategy": "epoch",
                "load_best_model_at_end": True, "metric_for_best_model": task["metric"], "save_steps": 0,
                "logging_steps": 50},
            "output_dir": str(output), "database": str(output.parent / "runs.sqlite")}

    def make(self, cell, threads):
        work = self.arguments.work / cell.name
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        output, file, table = work / "run", work / f"{cell.name}.json", work / "p.tsv"
        content = self.config(cell, output)
        file.write_text(json.dumps(content))
        loads = [os.getloadavg()[0]]
        program, metric = str(self.arguments.program), self.tasks[cell.task]["metric"]
        measured = call_measured([program, "train", str(file), "--quiet", "--json", "--threads", str(threads)])
        call([program, "eval", str(output), "--split", "test", "--predictions", str(table), "--json",
              "--threads", str(threads)])
        loads.append(os.getloadavg()[0])
        size = (output / "adapter_model.safetensors").stat().st_size
        content, metrics = record(
            cell, content, self.arguments.model, measured, output.parent / "runs.sqlite", size,
            {"model_sha256": self.model, "program_sha256": self.arguments.program_sha256,
             "data_sha256": self.data[cell.task]} | machine(threads, loads))
        best = max((row for row in metrics if row["split"] == "validation" and row["name"] == metric),
                   key=lambda row: row["value"])
        found, labels = predictions(table)
        report = json.loads((output / "eval_results.json").read_text())
        shutil.rmtree(work)
        return comparable(content | {
            "metric": metric, "epoch": best["epoch"], "selection_score": best["value"], "report_score": report[metric],
            "report": {k: v for k, v in report.items() if isinstance(v, (int, float))}, "predictions": found,
            "labels": labels}, self.examples[cell.task])


def predictions(path):
    """Class numbers or scores, as short as can be, and the labels."""
    lines = [line.split("\t") for line in path.read_text().splitlines()]
    header, body = lines[0], lines[1:]
    prediction, label = header.index("prediction"), header.index("label")
    return [row[prediction] for row in body], [row[label] for row in body]
