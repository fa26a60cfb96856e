"""Do the tests notice? Small faults are put into our modules, one at a time, and each module's tests are run.

    python tests/mutation/run.py --sample 200 --seed 0 [--jobs 2] [--out build/mutation] [FILES...]

Without FILES all of `TARGETS`. Prints a table of killed and survived mutants; what survived is in OUT/survivors.diff,
each with the tests that ran. A larger sample with the same seed and files holds the smaller one. What the tests need is
imported once, then a child is forked for every mutant. It works on a copy of the tree, which the subprocesses of the
command line's tests see as well. Not every survivor is a fault that tests should see: some mean the same as before.

The fixture `trained` costs more than most tests, so its run is trained once, without a fault, and given to every
mutant but those of `TRAINED_ANEW`: a fault in metrics, say, is not noticed by that training, only by tests.
"""

from __future__ import annotations

import argparse
import difflib
import gc
import importlib
import os
import pickle
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from mutants import Mutant, edits, mutant

ROOT = Path(__file__).resolve().parent.parent.parent
TARGETS = (
    "cnnrnn/training/losses.py", "cnnrnn/training/loop.py", "cnnrnn/training/optim.py", "cnnrnn/training/state.py",
    "cnnrnn/training/features.py", "cnnrnn/attribution/*", "cnnrnn/evaluation/map*",
    "cnnrnn/evaluation/perturbations.py", "cnnrnn/evaluation/metrics.py", "cnnrnn/evaluation/evaluate.py",
    "cnnrnn/evaluation/cooccurrence.py", "cnnrnn/evaluation/model_card.py", "dashboard/state.py", "dashboard/views/*",
    "cnnrnn/decoding/tree.py",
)  # fmt: skip
# Besides the test of its own name, test_x.py of x.py, which is in tests/dashboard for the dashboard's.
TESTS = {
    "cnnrnn/training/*": (
        "training/test_features.py training/test_interrupt.py training/test_loop*.py training/test_losses.py "
        "training/test_run_contents.py training/test_optim.py training/test_state.py test_checkpoint.py"
    ),
    "cnnrnn/attribution/*": "attribution/*",
    "cnnrnn/evaluation/map*": "evaluation/test_maps.py evaluation/test_map_*.py cli/test_evaluate_maps.py",
    "cnnrnn/evaluation/perturbations.py": "evaluation/test_map*.py cli/test_evaluate_maps.py",
    "cnnrnn/evaluation/metrics.py": "evaluation/test_evaluate.py",
    "cnnrnn/evaluation/record.py": "test_checkpoint.py cli/test_evaluate_maps.py",
    "cnnrnn/evaluation/model_card.py": "test_checkpoint.py cli/test_evaluate_maps.py",
    "dashboard/state.py": "dashboard/test_*_page.py",
    "dashboard/views/bars.py": "dashboard/test_decode_*.py",
    "dashboard/views/marginal_diff.py": "dashboard/test_compare_page.py dashboard/test_what_if_page.py",
    "dashboard/views/decode_report.py": "dashboard/test_decode_charts.py",
    "dashboard/views/error_analysis.py": "dashboard/test_evaluate_page.py",
    "dashboard/views/space.py": "dashboard/test_label_space_page.py",
    "dashboard/views/style.py": "dashboard/test_decode_report.py decoding/test_tree.py dashboard/test_decode_charts.py",
    "dashboard/views/training.py": "dashboard/test_model_page.py dashboard/test_evaluate_page.py",
    "cnnrnn/decoding/tree.py": "dashboard/test_decode_report.py dashboard/test_decode_charts.py",
}
TRAINED_ANEW = ("cnnrnn/training/*",)
# Minutes for what nothing else in the file sees: these are left out.
TOO_SLOW = "not with_gpu_settings"
IMPORTS = (
    "captum.attr", "jinja2", "pandas", "plotly.graph_objs._figure", "plotly.io", "safetensors.torch", "sklearn.metrics",
    "streamlit.testing.v1", "timm", "torch", "torchmetrics", "torchvision", "typer.testing", "umap",
)  # fmt: skip
ALONE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
MEMORY = 8 << 30  # bytes; a fault may ask for any


class Plugin:
    """Inside pytest: tells how long tests took, gives `trained` away or takes it, and runs what is quick first."""

    def __init__(self, kept: Path, seconds: dict[str, float], serve: bool) -> None:
        self.kept, self.seconds, self.serve = kept, seconds, serve
        self.took: dict[str, float] = {}

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        trains = {"trained"} if not self.serve else set()
        items.sort(key=lambda item: (bool(trains & set(item.fixturenames)), self.seconds.get(item.nodeid, 0)))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            self.took[report.nodeid] = report.duration

    @pytest.hookimpl(tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> None:
        if fixturedef.argname == "trained":
            train = fixturedef.func
            fixturedef.func = self.take if self.serve else lambda **values: self.keep(train(**values), **values)

    def keep(self, trained: Any, scenes_root: Path, tmp_path_factory: Any) -> Any:
        if not self.kept.exists():
            shutil.copytree(trained[0].parent, self.kept / "runs")
            shutil.copytree(scenes_root, self.kept / "data")
            (self.kept / "records").write_bytes(pickle.dumps((trained[0].name, trained[1])))
        return trained

    def take(self, scenes_root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict]]:
        name, records = pickle.loads((self.kept / "records").read_bytes())
        runs = shutil.copytree(self.kept / "runs", tmp_path_factory.mktemp("runs"), dirs_exist_ok=True)
        shutil.copytree(self.kept / "data", scenes_root, dirs_exist_ok=True)
        return runs / name, records


class Slot:
    """A copy of the tree in which one child at a time runs tests."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.tree, self.output = folder, folder / "tree", folder / "output"
        listed = ["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        for name in subprocess.run(listed, check=True, capture_output=True, text=True).stdout.split("\0"):
            if name and (ROOT / name).is_file():
                (self.tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, self.tree / name)
        if (ROOT.parent / "shared").exists():
            (folder / "shared").symlink_to(ROOT.parent / "shared")
        # Compiled files that go by the source's hash: by its time and size, a mutant may look like the one before.
        hashed = ["--invalidation-mode", "checked-hash", "cnnrnn", "dashboard"]
        subprocess.run([sys.executable, "-m", "compileall", "-q", *hashed], cwd=self.tree, check=True)

    def start(self, tests: Sequence[str], plugin: Plugin, first_failure: bool = True) -> None:
        shutil.rmtree(self.folder / "tmp", ignore_errors=True)
        (self.folder / "tmp").mkdir()
        self.pid, self.since = os.fork(), time.monotonic()
        if self.pid == 0:
            status = 3
            try:
                status = self._child(tests, plugin, first_failure)
            finally:
                os._exit(status)

    def _child(self, tests: Sequence[str], plugin: Plugin, first_failure: bool) -> int:
        os.setsid()  # so that what it starts can be ended with it
        output = os.open(self.output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        os.chdir(self.tree)
        os.environ.update(PYTHONPATH=str(self.tree), TMPDIR=str(self.folder / "tmp"))
        tempfile.tempdir = None
        others = [path for path in sys.path if not Path(path).is_relative_to(ROOT) or "site-packages" in path]
        sys.path[:] = [str(self.tree), *others]
        options = ["-q", "-p", "no:cacheprovider", f"--rootdir={self.tree}", f"--basetemp={self.folder}/tmp/pytest"]
        options += ["-k", TOO_SLOW, *["-x"] * first_failure]
        status = int(pytest.main([*options, *tests], plugins=[plugin]))
        (self.folder / "took").write_bytes(pickle.dumps(plugin.took))
        assert Path(importlib.import_module("cnnrnn").__file__ or "").is_relative_to(self.tree)
        return status

    def ended(self, limit: float) -> str | None:
        """How it ended, "survived", "killed" or "timeout"; None while it runs."""
        pid, status, usage = os.wait4(self.pid, os.WNOHANG)
        self.processor = usage.ru_utime + usage.ru_stime  # seconds, once it has ended
        if not pid and time.monotonic() - self.since < limit:
            return None
        self.stop()
        return "timeout" if not pid else "killed" if status else "survived"

    def stop(self) -> None:
        """What the child may have left, or the child itself."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass


@dataclass
class Tester:
    slots: list[Slot]
    tests: dict[str, list[str]]  # of each file
    kept: Path  # the trained run
    out: Path

    def measure(self) -> None:
        """All tests once without a fault: they must pass, and how long they take is the measure for the mutants."""
        slot, everything = self.slots[0], sorted({test for tests in self.tests.values() for test in tests})
        slot.start(everything, Plugin(self.kept, {}, serve=False), first_failure=False)
        while (ending := slot.ended(3600)) is None:
            time.sleep(0.1)
        if ending != "survived":
            sys.exit(f"the tests fail without a mutant:\n{slot.output.read_text()[-4000:]}")
        self.training = time.monotonic() - slot.since  # at most
        self.seconds: dict[str, float] = pickle.loads((slot.folder / "took").read_bytes())
        self.training -= sum(self.seconds.values())
        for file, tests in self.tests.items():
            print(f"{file}: {self.cost(file):.1f} s of {', '.join(tests)}", file=sys.stderr)

    def cost(self, file: str) -> float:
        took = sum(seconds for test, seconds in self.seconds.items() if test.partition("::")[0] in self.tests[file])
        return took + self.training * any(fnmatch(file, pattern) for pattern in TRAINED_ANEW)

    def run(self, mutants: list[Mutant]) -> Counter[tuple[str, str]]:
        """How many mutants of each file came to which end; stops early, with what there is, at Ctrl-C."""
        ends: Counter[tuple[str, str]] = Counter()
        waiting, running = mutants[::-1], dict[int, Mutant]()
        (self.out / "survivors.diff").write_text("")
        try:
            while waiting or running:
                for number, slot in enumerate(self.slots):
                    if number in running:
                        ending = slot.ended(30 + 6 * self.cost(running[number].file))
                        if ending is None:
                            continue
                        ends[running[number].file, ending] += 1
                        self.put_away(slot, running.pop(number), ending, f"{ends.total()}/{len(mutants)}")
                    if waiting:
                        running[number] = it = waiting.pop()
                        (slot.tree / it.file).write_text(it.source)
                        serve = not any(fnmatch(it.file, pattern) for pattern in TRAINED_ANEW)
                        slot.start(self.tests[it.file], Plugin(self.kept, self.seconds, serve and self.kept.exists()))
                time.sleep(0.05)
        except KeyboardInterrupt:
            print("stopped", file=sys.stderr)
        finally:
            for number in running:
                self.slots[number].stop()
        return ends

    def put_away(self, slot: Slot, it: Mutant, ending: str, progress: str) -> None:
        seconds = f"{time.monotonic() - slot.since:.1f} s, {slot.processor:.1f} of the processor"
        print(f"{progress} {it.file}:{it.line} {ending} after {seconds}", file=sys.stderr, flush=True)
        source = (ROOT / it.file).read_text()
        (slot.tree / it.file).write_text(source)
        if ending == "survived":
            lines = (source.splitlines(keepends=True), it.source.splitlines(keepends=True))
            with (self.out / "survivors.diff").open("a") as file:
                file.write(f"# {it.file}:{it.line}, after {' '.join(self.tests[it.file])}\n")
                file.writelines(difflib.unified_diff(*lines, it.file, it.file, n=2))
                file.write("\n")


def tests_of(file: str) -> list[str]:
    """The module's test files, relative to the repository's root; wherever in `tests` they are."""
    tests = ROOT / "tests"
    own = {path.relative_to(ROOT) for path in tests.rglob(f"test_{Path(file).stem}.py")}
    found = {path for path in own if ("dashboard" in path.parts) == file.startswith("dashboard/")}
    for pattern, names in TESTS.items():
        if fnmatch(file, pattern):
            found.update(path.relative_to(ROOT) for name in names.split() for path in tests.rglob(name))
    return sorted(str(path) for path in found if path.match("test_*.py") and "browser" not in path.parts)


def table(ends: Counter[tuple[str, str]]) -> str:
    lines = ["| file | mutants | killed | of these, by time | survived | killed, % |", "|---|---:|---:|---:|---:|---:|"]
    files = sorted({file for file, _ in ends})
    for name, group in [*((file, [file]) for file in files), ("all", files)]:
        killed, late, survived = (
            sum(ends[file, end] for file in group) for end in ("killed", "timeout", "survived")
        )  # fmt: skip
        total = killed + late + survived
        percent = 100 * (killed + late) / max(1, total)
        lines.append(f"| {name} | {total} | {killed + late} | {late} | {survived} | {percent:.0f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", help="modules, relative to the repository's root")
    parser.add_argument("--sample", type=int, default=200, help="how many mutants, of all files together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "mutation")
    arguments = parser.parse_args()
    modules = sorted([*(ROOT / "cnnrnn").rglob("*.py"), *(ROOT / "dashboard").rglob("*.py")])
    ours = [str(path.relative_to(ROOT)) for path in modules]
    files = arguments.files or [file for file in ours if any(fnmatch(file, pattern) for pattern in TARGETS)]
    if unknown := set(files) - set(ours):
        parser.error(f"no modules of ours: {', '.join(sorted(unknown))}")

    sources = {file: (ROOT / file).read_text() for file in files}
    every = [(file, edit) for file, source in sources.items() for edit in edits(source)]
    random.Random(arguments.seed).shuffle(every)
    possible = (mutant(file, sources[file], edit) for file, edit in every)
    chosen = [it for it, _ in zip((it for it in possible if it), range(arguments.sample), strict=False)]
    tests = {file: tests_of(file) for file in sorted({it.file for it in chosen})}
    if untested := [file for file, found in tests.items() if not found]:
        parser.error(f"no tests are known of {', '.join(untested)}: add them to TESTS")

    os.environ.update(ALONE)
    sys.dont_write_bytecode = True
    for name in IMPORTS:
        importlib.import_module(name)
    gc.freeze()  # pytest collects garbage: a second each time, of all these modules
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="cnnrnn-mutants-") as folder:
        slots = [Slot(Path(folder, str(number))) for number in range(arguments.jobs)]
        tester = Tester(slots, tests, Path(folder, "kept"), arguments.out)
        tester.measure()
        found = table(tester.run(chosen))
    (arguments.out / "table.md").write_text(found + "\n")
    print(found)


if __name__ == "__main__":
    main()
