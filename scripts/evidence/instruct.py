"""Runs of SmolLM2 on instructions: the loss of held-out answers, and of WikiText-2 before and after (forgetting)."""

import json
import os
import shutil

from comparison import comparable
from halves import split_records
from program import call, call_measured, machine, record, sha256


class Instruct:
    def __init__(self, plan, arguments):
        self.plan, self.arguments, self.task = plan, arguments, plan.tasks["instruct"]
        self.train, self.selection, self.report = split_records(
            self.task, arguments.instructions, arguments.work, plan.settings["split_seed"])
        self.model = sha256(arguments.decoder / "model.safetensors")
        self.data = {"instructions": sha256(arguments.instructions), "text": sha256(arguments.text)}

    def config(self, adapter, training, output):
        task = self.task
        return {
            "name": output.parent.name, "model": str(self.arguments.decoder),
            "task": {"name": "instruct", "train_file": str(self.train), "validation_file": str(self.selection),
                     "test_file": str(self.report), "max_seq_length": task["max_seq_length"], "chat_template": "model"},
            "adapter": {"target_modules": task["target_modules"], "lora_alpha": self.plan.settings["lora_alpha"]} | adapter,
            "training": {
                "max_steps": task["max_steps"], "train_batch_size": task["train_batch_size"], "eval_batch_size": 8,
                "precision": self.plan.settings["precision"], "eval_strategy": "steps", "eval_steps": task["eval_steps"],
                "load_best_model_at_end": True, "save_steps": 0, "logging_steps": 10} | training,
            "output_dir": str(output), "database": str(output.parent / "runs.sqlite")}

    def text_config(self, output):
        """The configuration that scores WikiText-2."""
        return {
            "name": "wikitext2", "model": str(self.arguments.decoder),
            "task": {"name": "causal-lm", "train_file": str(self.arguments.text), "validation_file": str(self.arguments.text),
                     "max_seq_length": 512, "max_eval_samples": self.task["forgetting_blocks"]},
            "adapter": {"strategy": "none"},
            "training": {"precision": self.plan.settings["precision"], "eval_batch_size": 4},
            "output_dir": str(output), "database": str(output.parent / "runs.sqlite")}

    def score(self, place, arguments, threads):
        """The loss that `eval` finds."""
        out, _ = call([str(self.arguments.program), "eval", str(place), "--json", "--threads", str(threads)] + arguments)
        return json.loads(out)["results"][0]["loss"]

    def base(self, threads):
        """The losses of the model as it is."""
        work = self.folder("base")
        file, text = work / "base.json", work / "text.json"
        file.write_text(json.dumps(self.config({"strategy": "none"}, {"seed": 1}, work / "run")))
        text.write_text(json.dumps(self.text_config(work / "text")))
        losses = {"selection": self.score(file, [], threads), "report": self.score(file, ["--split", "test"], threads),
                  "wikitext2": self.score(text, [], threads)}
        shutil.rmtree(work)
        return losses | {"model_sha256": self.model, "data_sha256": self.data,
                         "program_sha256": self.arguments.program_sha256}

    def folder(self, name):
        work = self.arguments.work / name
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        return work

    def make(self, cell, threads):
        work = self.folder(cell.name)
        output, file, text = work / "run", work / f"{cell.name}.json", work / "text.json"
        content = self.config(self.plan.adapter(cell), {"learning_rate": cell.rate, "seed": cell.seed}, output)
        file.write_text(json.dumps(content))
        text.write_text(json.dumps(self.text_config(work / "text")))
        loads = [os.getloadavg()[0]]
        measured = call_measured(
            [str(self.arguments.program), "train", str(file), "--quiet", "--json", "--threads", str(threads)])
        report = self.score(output, ["--split", "test"], threads)
        forgetting = self.score(text, ["--adapter", str(output)], threads)
        loads.append(os.getloadavg()[0])
        size = (output / "adapter_model.safetensors").stat().st_size
        content, metrics = record(
            cell, content, self.arguments.decoder, measured, output.parent / "runs.sqlite", size,
            {"model_sha256": self.model, "program_sha256": self.arguments.program_sha256,
             "data_sha256": self.data} | machine(threads, loads))
        best = min((row for row in metrics if row["split"] == "validation" and row["name"] == "loss"),
                   key=lambda row: row["value"])
        shutil.rmtree(work)
        base = json.loads((self.arguments.runs.parent / "base.json").read_text())
        return comparable(content | {
            "metric": "loss", "epoch": best["epoch"], "selection_score": best["value"], "report_score": report,
            "report": {"loss": report, "wikitext2_loss": forgetting}}, base=base)
