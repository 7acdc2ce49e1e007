"""LoRA with tied tensors, AdamW training and ASLoRA's merges: the plainest form that PyTorch allows."""

import math
import re
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import nn
from transformers import AutoModelForSequenceClassification

from checkpoints import generator

SEED = 12        # chosen so that no merge is a near tie
QKV = ("attention.self.query", "attention.self.key", "attention.self.value")


class LoRALinear(nn.Module):
    def __init__(self, base, scale):
        super().__init__()
        self.base, self.scale, self.a, self.b = base, scale, None, None

    def forward(self, x):
        return self.base(x) + self.scale * F.linear(F.linear(x, self.a), self.b)


@dataclass
class Site:
    """One adapted linear map, and the names of the tensors that it uses."""
    layer: int
    module: str
    linear: LoRALinear
    names: dict     # "A" and "B" -> tensor name

    @property
    def path(self):
        return f"encoder.layer.{self.layer}.{self.module}"


@dataclass
class Tuned:
    model: nn.Module
    sites: list
    trained: dict       # name -> parameter, each distinct one once

    def tie(self, site):
        site.linear.a, site.linear.b = (self.trained[site.names[side]] for side in "AB")

    def sharing(self):
        return {site.path: dict(site.names) for site in self.sites}

    def values(self):
        return {name: parameter.detach().float() for name, parameter in self.trained.items()}


def is_shared(strategy, side, module):
    if strategy == "aslora":
        return side == "A"
    if strategy.endswith("-qkv") and module not in QKV:
        return False
    return side.lower() in strategy.removesuffix("-qkv").removeprefix("share-") if "share-" in strategy else False


def attach(directory, settings, dtype, start=None, hidden_act=None):
    """The checkpoint with adapters at every target; tensors from `start`, or drawn, each by its own name."""
    changed = {"hidden_act": hidden_act} if hidden_act else {}
    model = AutoModelForSequenceClassification.from_pretrained(
        directory, dtype=torch.float32, attn_implementation="eager", num_labels=settings["num_labels"],
        ignore_mismatched_sizes=True, **changed)
    model.to(dtype).train().requires_grad_(False)
    tuned = Tuned(model, [], {})
    if settings["strategy"] != "none":
        add_adapters(tuned, settings, dtype)
    head_seed = f"{model.config.model_type} head of {settings['num_labels']}"
    head_is_stored = model.config.model_type == "roberta" and settings["num_labels"] == 2
    for name, parameter in model.named_parameters():
        if name.startswith("classifier."):
            if not head_is_stored:
                parameter.data.copy_(torch.randn(parameter.shape, generator=generator(f"{head_seed} {name}")) * 0.25)
            tuned.trained[name] = parameter.requires_grad_(True)
    for name in start or {}:
        tuned.trained[name].data.copy_(start[name])
    return tuned


def add_adapters(tuned, settings, dtype):
    scale = settings["lora_alpha"] / (math.sqrt(settings["r"]) if settings["use_rslora"] else settings["r"])
    for path, linear in list(tuned.model.named_modules()):
        if not any(path.endswith("." + target) for target in settings["target_modules"]):
            continue
        layer, module = re.fullmatch(r"\w+\.encoder\.layer\.(\d+)\.(.+)", path).groups()
        site = Site(int(layer), module, LoRALinear(linear, scale), {})
        shapes = {"A": (settings["r"], linear.in_features), "B": (linear.out_features, settings["r"])}
        for side in "AB":
            owner = f"shared.{module}" if is_shared(settings["strategy"], side, module) else site.path
            name = site.names[side] = f"{owner}.lora_{side}.weight"
            if name not in tuned.trained:
                tuned.trained[name] = nn.Parameter(drawn(name, shapes[side]).to(dtype))
        tuned.tie(site)
        tuned.sites.append(site)
        tuned.model.set_submodule(path, site.linear)


def drawn(name, shape):
    """A kaiming-uniform with a = sqrt 5; B small but not zero."""
    seeded = generator(f"{SEED} {name}")
    if ".lora_A." in name:
        return torch.empty(shape).uniform_(-1 / math.sqrt(shape[1]), 1 / math.sqrt(shape[1]), generator=seeded)
    return torch.randn(shape, generator=seeded) * 0.05


def logits_and_targets(tuned, examples, target):
    config, dtype = tuned.model.config, next(tuned.model.parameters()).dtype
    width = max(len(example["input_ids"]) for example in examples)
    padded = lambda rows, fill: torch.tensor([row + [fill] * (width - len(row)) for row in rows])
    logits = tuned.model(
        input_ids=padded([e["input_ids"] for e in examples], config.pad_token_id),
        token_type_ids=padded([e["token_type_ids"] for e in examples], 0),
        attention_mask=padded([[1] * len(e["input_ids"]) for e in examples], 0)).logits
    return logits, torch.tensor([e[target] for e in examples], dtype=dtype if target == "target" else torch.long)


def summed_loss(logits, targets):
    if targets.is_floating_point():
        return F.mse_loss(logits.squeeze(-1), targets, reduction="sum")
    return F.cross_entropy(logits, targets, reduction="sum")


def first_batch(tuned, data, settings):
    """Logits, mean loss and every gradient at the start."""
    logits, targets = logits_and_targets(tuned, data[:settings["gradient_batch"]], settings["target"])
    loss = summed_loss(logits, targets) / len(targets)
    gradients = torch.autograd.grad(loss, list(tuned.trained.values()))
    return logits.tolist(), loss.item(), {n: g.float() for n, g in zip(tuned.trained, gradients)}


def rate_factor(step, total, warmup):
    return step / warmup if step < warmup else (total - step) / (total - warmup)


def effective_batches(data, settings):
    """Lists of micro-batches, in file order; an epoch's last ones may be short or fewer."""
    size, accumulated = settings["train_batch_size"], settings["gradient_accumulation_steps"]
    micro = [data[i:i + size] for i in range(0, len(data), size)]
    return [micro[i:i + accumulated] for i in range(0, len(micro), accumulated)] * settings["num_train_epochs"]


def train(tuned, data, settings):
    batches = effective_batches(data, settings)
    total = len(batches)
    warmup = math.ceil(settings["warmup_ratio"] * total)
    decays = lambda p: settings["weight_decay"] if p.ndim > 1 else 0.0
    optimizer = torch.optim.AdamW(
        [{"params": [p for p in tuned.trained.values() if decays(p) == decay], "weight_decay": decay}
         for decay in (settings["weight_decay"], 0.0)],
        betas=(settings["adam_beta1"], settings["adam_beta2"]), eps=settings["adam_epsilon"])
    merging = ASLoRA(tuned, optimizer, **settings["aslora"]) if settings["strategy"] == "aslora" else None
    found = {"losses": [], "grad_norms": [], "learning_rates": []}
    for step, micro_batches in enumerate(batches):
        rate = settings["learning_rate"] * rate_factor(step, total, warmup)
        for group in optimizer.param_groups:
            group["lr"] = rate
        examples, value = sum(map(len, micro_batches)), 0.0
        for micro in micro_batches:
            loss = summed_loss(*logits_and_targets(tuned, micro, settings["target"])) / examples
            loss.backward()
            value += loss.item()
        norm = nn.utils.clip_grad_norm_(list(tuned.trained.values()), settings["max_grad_norm"])
        optimizer.step()
        optimizer.zero_grad()
        if merging:
            merging.after_step(step + 1)
        found["losses"].append(value)
        found["grad_norms"].append(float(norm))
        found["learning_rates"].append(rate)
    if merging:
        found["merges"] = merging.merges
    return found


@dataclass
class Group:
    sites: list
    name: str       # of the B that all of its layers use
    mean: torch.Tensor

    @property
    def layers(self):
        return sorted(site.layer for site in self.sites)


@dataclass
class ASLoRA:
    tuned: Tuned
    optimizer: torch.optim.Optimizer
    start_step: int
    merge_interval: int
    num_merges: int
    candidates: str
    merges: list = field(default_factory=list)

    def __post_init__(self):
        self.groups = {}
        for site in self.tuned.sites:
            name = site.names["B"]
            self.groups.setdefault(site.module, []).append(
                Group([site], name, torch.zeros_like(self.tuned.trained[name])))

    @torch.no_grad()
    def after_step(self, t):
        for groups in self.groups.values():
            for group in groups:
                group.mean += (self.tuned.trained[group.name] - group.mean) / t
        done, left = divmod(t - self.start_step, self.merge_interval)
        if left == 0 and 1 <= done <= self.num_merges:
            for module, groups in self.groups.items():
                self.merge(t, module, groups)

    def merge(self, t, module, groups):
        pairs = [(i, j) for i in range(len(groups)) for j in range(i + 1, len(groups))
                 if self.candidates == "all" or j == i + 1]
        ranked = sorted((float((groups[i].mean - groups[j].mean).norm()), i, j) for i, j in pairs)
        distance, i, j = ranked[0]
        lower, upper = groups[i], groups[j]
        self.merges.append({
            "step": t, "module": module, "lower_layers": lower.layers, "upper_layers": upper.layers,
            "distance": distance, "runner_up_distance": ranked[1][0] if len(ranked) > 1 else None,
            "groups_left": len(groups) - 1})
        stale = self.tuned.trained.pop(lower.name)
        self.optimizer.state.pop(stale)
        for group in self.optimizer.param_groups:
            group["params"] = [p for p in group["params"] if p is not stale]
        for site in lower.sites:
            site.names["B"] = upper.name
            self.tuned.tie(site)
        upper.sites += lower.sites
        del groups[i]
