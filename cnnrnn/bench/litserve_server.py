"""The reference beside `cnnrnn serve`: LitServe around the same predictor, with the same batches, in a process of its
own. Usage: python -m cnnrnn.bench.litserve_server CHECKPOINT PORT"""

import sys
from typing import Any

import litserve
import torch
from torch import Tensor

from cnnrnn.data.images import MAX_SIDE, ImageError, open_image
from cnnrnn.decoding.trace import Trace
from cnnrnn.inference.predictor import Predictor

BATCH_SECONDS = 0.01  # that a batch waits to be filled


class Labels(litserve.LitAPI):  # type: ignore[misc]
    """What can't be read is passed on as its error, since an exception would fail the whole batch it is in."""

    def setup(self, device: str) -> None:
        self.predictor = Predictor(sys.argv[1], engine=None, device="cpu")

    def decode_request(self, request) -> Tensor | str:  # type: ignore[no-untyped-def]  # LitServe reads annotations
        try:
            return self.predictor.model.backbone.pixels(open_image(request["image"].file.read(), MAX_SIDE))
        except ImageError as error:
            return str(error)

    def batch(self, inputs: list[Tensor | str]) -> list[Tensor | str]:
        return inputs

    def predict(self, inputs: list[Tensor | str]) -> list[Trace | str]:
        if not (images := [found for found in inputs if isinstance(found, Tensor)]):
            return [found for found in inputs if isinstance(found, str)]
        traces = iter(self.predictor.decode(self.predictor.encode(torch.stack(images))[1]))
        return [found if isinstance(found, str) else next(traces) for found in inputs]

    def unbatch(self, output: list[Trace | str]) -> list[Trace | str]:
        return output

    def encode_response(self, output: Trace | str) -> dict[str, Any]:
        return {"error": output} if isinstance(output, str) else output.summary()


if __name__ == "__main__":
    server = litserve.LitServer(Labels(max_batch_size=16, batch_timeout=BATCH_SECONDS), accelerator="cpu")
    server.run(host="127.0.0.1", port=int(sys.argv[2]), generate_client_file=False, log_level="warning")
