"""The runs of docs/evidence/plan.json, in the order in which they are made."""

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """One run. A run to choose the learning rate by is the run of its seed, if its rate is chosen: it is made once."""
    arm: str
    task: str
    rate: float
    seed: int

    @property
    def name(self):
        return f"{self.task}_{self.arm}_{self.rate:g}_{self.seed}"


class Plan:
    def __init__(self, path):
        content = json.loads(path.read_text())
        self.settings, self.tasks, self.groups = content["settings"], content["tasks"], content["groups"]
        self.adapters = content["arms"]

    def chosen(self, only):
        """The groups of these names; all of them without names."""
        return [group for group in self.groups if not only or group["name"] in only]

    def arms(self, group):
        return list(self.adapters[group["arms"]])

    def adapter(self, cell):
        """The method of a run: that of the first group that has its arm and its task."""
        for group in self.groups:
            if cell.task in group["tasks"] and cell.arm in self.adapters[group["arms"]]:
                return self.adapters[group["arms"]][cell.arm]
        raise KeyError(cell.name)

    def grid(self, arm, group):
        """The runs that choose the arm's learning rate."""
        s = self.settings
        return [Cell(arm, task, rate, s["rate_seed"]) for rate in s["learning_rates"] for task in group["rate_tasks"]]

    def rate(self, arm, group, results):
        """The rate with the best mean score on the first half of the development sets; the smaller of equals. None as long as
        a run is missing."""
        best = None
        for rate in self.settings["learning_rates"]:
            cells = [cell for cell in self.grid(arm, group) if cell.rate == rate]
            if any(cell.name not in results for cell in cells):
                return None
            score = sum(self.gain(cell, results[cell.name]["selection_score"]) for cell in cells) / len(cells)
            if best is None or score > best[0]:
                best = (score, rate)
        return best[1]

    def gain(self, cell, score):
        """The score if more of it is better, else its negative."""
        return -score if self.tasks[cell.task]["metric"] == "loss" else score

    def cells(self, results, only=None):
        """What is to be run next, given what there is: first the grids of a group's arms, then its runs, seed by seed, so that
        the finished part is balanced."""
        for group in self.chosen(only):
            grids = [cell for arm in self.arms(group) for cell in self.grid(arm, group)]
            yield from (cell for cell in grids if cell.name not in results)
            for seed in group["seeds"]:
                for task in group["tasks"]:
                    for arm in self.arms(group):
                        rate = self.rate(arm, group, results)
                        if rate is None:
                            continue
                        cell = Cell(arm, task, rate, seed)
                        if cell.name not in results:
                            yield cell
