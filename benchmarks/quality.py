"""Trains settings on sets with several seeds, one run after the other, measures each, and prints one table.

    python benchmarks/quality.py --plan=benchmarks/quality/short.toml --output=runs/quality
    python benchmarks/quality.py --plan=PLAN.toml --output=DIR --settings=base,cosine --sets=portraits --seeds=0,1,2
    python benchmarks/quality.py --plan=PLAN.toml --output=DIR --table            # of what is there, without training

A plan is a TOML file: [settings] and [sets] name flags of `stylegan-tf train`; [run] has `kimg` or `seconds`, the
budget of every run, and the `metrics`, the first of which sorts the table. A run lies in DIR/SETTING/SET/SEED. What is
measured is not done again, and a run that was broken off goes on: the same command resumes. A budget of seconds counts
the training process from its start to its end, so keep the cores free of other work; of kimg, it does not matter.

The table says mean and spread over seeds: the sample standard deviation, "-" for one seed. A gain that is smaller is
none. `kimg` and `minutes` are means; MS-SSIM is best where it equals the reals', which a row of their own says.
"""

from __future__ import annotations

import dataclasses
import json
import shlex
import signal
import statistics
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from absl import flags

from stylegan_tf.cli import app
from stylegan_tf.errors import require

_PLAN = flags.DEFINE_string("plan", None, "a TOML file", required=True, module_name="Benchmark")
_OUTPUT = flags.DEFINE_string("output", None, "a directory for all runs", required=True, module_name="Benchmark")
_SETTINGS = flags.DEFINE_list("settings", [], "those of the plan; empty: all", module_name="Benchmark")
_SETS = flags.DEFINE_list("sets", [], "those of the plan; empty: all", module_name="Benchmark")
_SEEDS = flags.DEFINE_list("seeds", ["0"], "of every setting and set", module_name="Benchmark")
_TABLE = flags.DEFINE_bool("table", False, "only print the table of what is there", module_name="Benchmark")


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is compared.

    Attributes:
        settings, sets: Flags of training by name.
        metrics: Protocols.
        kimg, seconds: The budget of a run; one of them is 0.
    """

    settings: dict[str, str]
    sets: dict[str, str]
    metrics: list[str]
    kimg: float
    seconds: float

    @classmethod
    def read(cls, path: str) -> Plan:
        """Raises UserError for a file that is none."""
        tables: dict[str, Any] = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        run = tables.get("run", {})
        budgets = [name for name in ("kimg", "seconds") if run.get(name)]
        require(len(budgets) == 1, f"[run] of {path} must have kimg or seconds", ", ".join(budgets) or "neither")
        plan = cls(
            tables.get("settings", {}),
            tables.get("sets", {}),
            run.get("metrics", []),
            run.get("kimg", 0.0),
            run.get("seconds", 0.0),
        )
        require(
            bool(plan.settings and plan.sets and plan.metrics), f"{path} must have settings, sets and metrics", path
        )
        return plan

    def chosen(self, table: dict[str, str], names: list[str]) -> dict[str, str]:
        """Those of a table, or all."""
        unknown = sorted(set(names) - set(table))
        require(not unknown, f"names of the plan are {', '.join(table)}", ", ".join(unknown))
        return {name: table[name] for name in names or table}


@dataclasses.dataclass(frozen=True)
class Trial:
    """One run."""

    setting: str
    data: str
    seed: str
    arguments: tuple[str, ...]
    directory: Path

    @property
    def seconds_file(self) -> Path:
        """What it took, a number a process."""
        return self.directory.with_name(f"{self.seed}_seconds.json")

    @property
    def output_file(self) -> Path:
        """What training printed."""
        return self.directory.with_name(f"{self.seed}_output.txt")


def main() -> None:
    """Runs what is missing, then prints the table."""
    plan = Plan.read(_PLAN.value)
    trials = list(_trials(plan))
    if not _TABLE.value:
        for number, trial in enumerate(trials):
            print(f"{number + 1}/{len(trials)} {trial.directory}", flush=True)
            _train(plan, trial)
            _measure(plan, trial)
    print(table(plan, trials))


def _trials(plan: Plan) -> Iterator[Trial]:
    for seed in _SEEDS.value:  # the first seed of everything comes first
        for data, data_flags in plan.chosen(plan.sets, _SETS.value).items():
            for setting, setting_flags in plan.chosen(plan.settings, _SETTINGS.value).items():
                directory = Path(_OUTPUT.value) / setting / data / seed
                arguments = [*shlex.split(setting_flags), *shlex.split(data_flags), f"--seed={seed}"]
                if plan.kimg:
                    arguments.append(f"--total_kimg={plan.kimg}")
                yield Trial(setting, data, seed, (*arguments, f"--run_dir={directory}"), directory)


def _train(plan: Plan, trial: Trial) -> None:
    """Trains to the budget's end; of seconds, what earlier processes took counts."""
    taken = json.loads(trial.seconds_file.read_text()) if trial.seconds_file.exists() else []
    if (plan.seconds and sum(taken) >= plan.seconds) or _results(trial):
        return
    trial.directory.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with open(trial.output_file, "a", encoding="utf-8") as output:
        process = subprocess.Popen(_command("train", *trial.arguments), stdout=output, stderr=subprocess.STDOUT)
        try:
            process.wait(plan.seconds - sum(taken) if plan.seconds else None)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM)
            process.wait()
    trial.seconds_file.write_text(json.dumps([*taken, time.monotonic() - started]))
    stopped = 128 + signal.SIGTERM if plan.seconds else 0
    require(process.returncode in (0, stopped), f"training must end; see {output.name}", process.returncode)


def _measure(plan: Plan, trial: Trial) -> None:
    missing = [protocol for protocol in plan.metrics if protocol not in _results(trial)]
    if missing:
        metrics = f"--metrics={','.join(missing)}"
        subprocess.run(_command("evaluate", f"--run_dir={trial.directory}", metrics), check=True)


def _command(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "stylegan_tf", name, *arguments]


def _results(trial: Trial) -> dict[str, dict[str, Any]]:
    """By protocol, the newest of each."""
    file = trial.directory / "metrics.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return {result["protocol"]: result for result in map(json.loads, lines)}


def table(plan: Plan, trials: list[Trial]) -> str:
    """As Markdown, a row for each setting and set with results, the best by the first metric first."""
    rows = []
    for data in dict.fromkeys(trial.data for trial in trials):
        of_set = []
        for setting in dict.fromkeys(trial.setting for trial in trials):
            results = [(trial, _results(trial)) for trial in trials if (trial.setting, trial.data) == (setting, data)]
            done = [(trial, found) for trial, found in results if all(name in found for name in plan.metrics)]
            if done:
                values = [[_first(found[name]) for _, found in done] for name in plan.metrics]
                kimg = [next(iter(found.values()))["images_seen"] / 1000 for _, found in done]
                minutes = [sum(json.loads(trial.seconds_file.read_text())) / 60 for trial, _ in done]
                cells = [*map(_mean_and_spread, values), f"{statistics.mean(kimg):.1f}"]
                cells.append(f"{statistics.mean(minutes):.1f}")
                of_set.append((statistics.mean(values[0]), [setting, data, str(len(done)), *cells]))
        rows += [row for _, row in sorted(of_set)]
    header = ["setting", "set", "seeds", *plan.metrics, "kimg", "minutes"]
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _first(result: dict[str, Any]) -> float:
    return float(next(iter(result["values"].values())))


def _mean_and_spread(values: list[float]) -> str:
    spread = f"{statistics.stdev(values):.3g}" if len(values) > 1 else "-"
    return f"{statistics.mean(values):.4g} ± {spread}"


if __name__ == "__main__":
    app.run(main)
