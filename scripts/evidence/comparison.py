"""What PEFT's method_comparison/processing.py reads of a run and the rest of the record does not have under its names.

It reads memory, sizes and counts as whole numbers and cannot take null there: what was not counted is 0. The other
values may be null."""

# PEFT's own names of the methods; the others have our name in capitals.
TYPES = {"uni-lora": "UNILORA", "vb-lora": "VBLORA"}


def comparable(record, examples=None, base=None):
    """The record with those keys; keys that it has stay as they are, so that it can be given twice. Only the name of the
    experiment changes: PEFT keeps one run of a name, so that it needs the rate and the seed.

    `examples` is the size of the training set, needed without `max_steps`; `base` the content of base.json, from which
    a language model's forgetting is taken."""
    run, train, meta, cell = record["run_info"], record["train_info"], record["meta_info"], record["cell"]
    strategy = run["peft_config"]["strategy"]
    run = run | {
        "experiment_name": f"{cell['task']}/{cell['arm']}/{cell['learning_rate']:g}/{cell['seed']}",
        "peft_config": with_new(run["peft_config"], {"peft_type": TYPES.get(strategy, strategy.upper())})}
    metrics = train["metrics"]
    if "test accuracy" not in metrics[-1]:
        metrics = metrics + [summary(record, examples, base)]
    return record | {
        "run_info": run, "train_info": with_new(train | {"metrics": metrics}, memory(train["peak_memory_bytes"])),
        "meta_info": with_new(meta, {"package_info": packages(run, meta), "system_info": system(meta)})}


def with_new(old, new):
    return old | {key: value for key, value in new.items() if key not in old}


def memory(peak):
    """The peak is all that was measured. It bounds the others from above: no run looks smaller than it was."""
    names = "accelerator_memory_reserved_avg", "accelerator_memory_max", "accelerator_memory_reserved_99th"
    what = "peak of the process in main memory, for all three; no accelerator" if peak else "not measured"
    return dict.fromkeys(names, peak) | {"accelerator_memory_is": what}


def summary(record, examples, base):
    """The last of PEFT's metrics. `test accuracy` is that of the second half; where a task has none, or a run of PEFT's kept
    none, it is the score, of the metric `test metric`, and for a loss null, as more of it would count as better. Tokens are
    not counted."""
    train, config, report = record["train_info"], record["run_info"]["train_config"], record.get("report", {})
    last, metric, forgetting = train["metrics"][-1], record["metric"], None
    if "max_steps" in config:  # Less than an epoch: every batch is full.
        samples = config["max_steps"] * config["train_batch_size"]
    else:
        samples = examples * round(last["epoch"])
    if base and "wikitext2_loss" in report:
        forgetting = report["wikitext2_loss"] - base["wikitext2"]
    test = "accuracy" if "accuracy" in report else metric
    score = None if test == "loss" else report.get("accuracy", record["report_score"])
    return {
        "step": last["step"], "test accuracy": score, "test metric": test, "train loss": train["train_loss"],
        "train samples": samples, "train total tokens": 0, "forgetting": forgetting}


def packages(run, meta):
    """Versions: of our program, and of PEFT's side, whose `peft_branch` lists them (peft_check.py)."""
    found = dict(part.split(" ", 1) for part in run["peft_branch"].split(", ") if " " in part)
    names = "transformers", "peft", "datasets", "bitsandbytes", "torch"
    return {f"{name}-version": found.get(name) for name in names} | {"swift-peft-version": meta.get("program_version")}


def system(meta):
    """Of the likes of Linux-6.1-x86_64-with-glibc2.36."""
    name, _, rest = meta["system"].partition("-")
    release, _, machine = rest.partition("-with-")[0].rpartition("-")
    return {"system": name, "release": release, "machine": machine, "processor": meta["cpu"], "accelerator": None}
