"""Stand-ins that several tests use."""


class Quiet:
    """A `cnnrnn.training.TrainingWatcher` that only remembers."""

    def __init__(self) -> None:
        self.records: list[dict] = []

    def start(self, what: str, images: int) -> None: ...

    def advance(self, images: int, loss: float | None = None) -> None: ...

    def epoch_done(self, record: dict) -> None:
        self.records.append(record)
