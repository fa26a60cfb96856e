"""The reference beside `cnnrnn serve`: LitServe around the same predictor, with the same batches, in a process of its
own. Usage: python -m cnnrnn.bench.litserve_server CHECKPOINT PORT"""

import sys
from typing import Any

import litserve
import torch
from torch import Tensor

from cnnrnn.data.images import MAX_SIDE, open_image
from cnnrnn.decoding.trace import Trace
from cnnrnn.inference.predictor import Predictor

BATCH_SECONDS = 0.01  # that a batch waits to be filled


class Labels(litserve.LitAPI):  # type: ignore[misc]
    def setup(self, device: str) -> None:
        self.predictor = Predictor(sys.argv[1], engine=None, device="cpu")

    def decode_request(self, request) -> Tensor:  # type: ignore[no-untyped-def]  # LitServe reads annotations
        return self.predictor.model.backbone.pixels(open_image(request["image"].file.read(), MAX_SIDE))

    def batch(self, inputs: list[Tensor]) -> Tensor:
        return torch.stack(inputs)

    def predict(self, images: Tensor) -> list[Trace]:
        return self.predictor.decode(self.predictor.encode(images)[1])

    def unbatch(self, output: list[Trace]) -> list[Trace]:
        return output

    def encode_response(self, output: Trace) -> dict[str, Any]:
        return output.summary()


if __name__ == "__main__":
    server = litserve.LitServer(Labels(max_batch_size=16, batch_timeout=BATCH_SECONDS), accelerator="cpu")
    server.run(host="127.0.0.1", port=int(sys.argv[2]), generate_client_file=False, log_level="warning")
