"""Prediction by Ray Data on all cores of a machine or on many machines: millions of images in `shards`.

A dataset's row is the number of a part to make; a pool of actors, each with a checkpoint that it loaded once, makes
them. Ray starts a worker that died again and gives it the part again, of which it writes the same file.

Images don't travel through Ray: `ray.data.read_images` opens them with Pillow as they are, without our limits, and
one that is broken ends the whole run. Here a worker reads its images by itself, and opens them by `open_image`.
Nor does `write_parquet` write: its files' names are random, and a part that is made twice would be there twice.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cnnrnn.checkpoint import checkpoint_folder
from cnnrnn.inference.config import InferenceConfig
from cnnrnn.inference.predictor import Predictor
from cnnrnn.inference.shards import Settings, begin, predict_part, remove_stale
from cnnrnn.utils.errors import UserError, summarize_error

LOCAL = "local"  # the address of a cluster that is started for this run, on this machine
_OBJECT_STORE = 100_000_000  # bytes; numbers alone pass through Ray


@dataclass(frozen=True)
class Run:
    """The settings that are sent to workers; all of them must be valid on every machine."""

    folder: str  # of the output
    checkpoint: Path
    settings: Settings
    config: InferenceConfig
    cores: int  # of each worker


class Worker:
    """Predicts parts in a process of its own, on any machine of the cluster."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.predictor = Predictor(run.checkpoint, run.config)
        if self.predictor.checkpoint.weights_hash != run.settings.weights_sha256:
            raise UserError(f"{run.checkpoint} is another checkpoint on this machine than where the run was started")

    def __call__(self, rows: dict[str, np.ndarray]) -> dict[str, list[int]]:
        """The numbers of one part -> how many images it has, and how many could not be read."""
        (number,) = rows["item"].tolist()
        run = self.run
        images, failed = predict_part(run.folder, number, self.predictor, run.cores)
        return {"images": [images], "failed": [failed]}


@dataclass(frozen=True)
class Plan:
    """A run before it starts: the parts to make, and by how many workers."""

    run: Run
    parts: list[int]
    workers: int
    gpus: int  # of each worker


@contextmanager
def cluster(address: str = LOCAL) -> Iterator[None]:
    """Ray, quiet, without its dashboard and its usage statistics; a cluster of our own, or one that is there.

    Raises UserError if Ray is not installed or doesn't answer.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if address == LOCAL and "ray" not in sys.modules:  # which reads these when it is imported
        # Ray listens on all of the machine's addresses, and whoever reaches it can run code: not without this token.
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # each run would log some otherwise
    try:
        import ray
        import ray.data
    except ImportError:
        raise UserError("Ray is not installed; run `pip install 'cnnrnn[ray]'`") from None
    own: dict[str, Any] = {"include_dashboard": False, "object_store_memory": _OBJECT_STORE} if address == LOCAL else {}
    try:
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **own)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UserError(f"no cluster of Ray at '{address}': {summarize_error(error)}") from None
    try:
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # its errors reach us as exceptions
        ray.data.DataContext.get_current().enable_progress_bars = False
        yield
    finally:
        ray.shutdown()


def prepare(
    images: Sequence[str],
    folder: str,
    checkpoint: Path,
    config: InferenceConfig,
    shard_size: int,
    workers: int | None = None,
) -> Plan:
    """Look at the cluster and at the output's folder. Default: a worker a GPU or, without any, a worker a core.

    Raises UserError for a checkpoint or an engine that can't be used, and as `begin`.
    """
    import ray

    resources = ray.cluster_resources()
    gpus = int(resources.get("GPU", 0)) if config.device in (None, "cuda") else 0
    device = config.device or ("cuda" if gpus else "cpu")
    # Here first: what can't be used is said in one line, and a translation is made once for this machine's workers.
    # This machine may have no GPU where the workers have one; torch then runs here, too, on the processor.
    engine = config.engine or (None if device == "cpu" else "torch")
    local = Predictor(checkpoint, replace(config, engine=engine, device="cpu"))
    config = replace(config, engine=local.engine, device=device)
    model = local.model.config  # the sigmoid baseline has neither a temperature nor a calibration
    calibration = getattr(model, "calibration", None)
    settings = Settings(
        local.checkpoint.weights_hash,
        config.beam,
        local.engine,
        shard_size,
        config.precision,
        getattr(model, "temperature", 1.0),
        calibration and list(calibration),
    )
    parts = begin(folder, images, settings)
    cores = int(resources["CPU"])
    workers = max(1, min(workers or gpus or cores, cores, len(parts)))
    smallest = min(int(node["Resources"].get("CPU", cores)) for node in ray.nodes() if node["Alive"])
    cores_each = max(1, min(cores // workers, smallest))
    run = Run(
        folder, checkpoint_folder(checkpoint).absolute(), settings, replace(config, threads=cores_each), cores_each
    )
    return Plan(run, parts, workers, 1 if gpus else 0)


def predict(plan: Plan) -> Iterator[tuple[int, int]]:
    """Make the parts: of each, as it is done, how many images it has and how many of them could not be read.

    Raises UserError when a worker fails by an error, or one after the other dies of a part.
    """
    import ray

    if plan.parts:
        done = ray.data.from_items(plan.parts, override_num_blocks=len(plan.parts)).map_batches(
            Worker,
            fn_constructor_args=[plan.run],
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(size=plan.workers, max_tasks_in_flight_per_actor=1),
            num_cpus=plan.run.cores,
            num_gpus=plan.gpus,
        )
        try:
            for row in done.iter_rows():
                yield row["images"], row["failed"]
        except ray.exceptions.RayError as error:
            raise UserError(f"the run stopped: {_reason(error)}. The same command goes on from here") from None
    remove_stale(plan.run.folder)


def _reason(error: Exception) -> str:
    """The first error in a worker's traceback, which is all that Ray passes on."""
    raised = re.search(r"^[\w.]*(?:Error|Exception): (.+)$", str(error), re.MULTILINE)
    return raised[1] if raised else summarize_error(error)
