"""The fast scores of a beam against equations 3 and 4 as the model has them."""

from __future__ import annotations

import pytest
import torch

from cnnrnn.decoding import location_scores
from cnnrnn.decoding.location_scores import location_scores as make_scores
from cnnrnn.models.backbone import Backbone, BackboneConfig
from cnnrnn.models.cnnrnn import CNNRNN, ModelConfig

LABELS, EMBEDDING, LOCATIONS, IMAGES, BEAM = 5, 16, 9, 7, 3


def model_of(**settings: object) -> CNNRNN:
    torch.manual_seed(0)
    config = ModelConfig(LABELS, EMBEDDING, 8, **({"spatial": True, "temperature": 0.7} | settings))  # type: ignore[arg-type]
    model = CNNRNN(config, Backbone(BackboneConfig.of("test_efficientnet", 64))).eval()
    for parameter in model.spatial_pool.parameters():  # so that neither is 1
        parameter.data = torch.rand(()) + 1.5
    return model


@pytest.mark.parametrize("spread", [0.01, 1.0, 9.0, 60.0])
@pytest.mark.parametrize("block", [1, 2 * BEAM * EMBEDDING * LOCATIONS, 10**9])
def test_they_are_the_models_logits(monkeypatch: pytest.MonkeyPatch, spread: float, block: int) -> None:
    monkeypatch.setattr(location_scores, "_BLOCK", block)
    model = model_of()
    image, live = spread * torch.randn(IMAGES, LOCATIONS, EMBEDDING), torch.tensor([0, 2, 3, 4, 6])
    recurrent = spread * torch.randn(len(live), BEAM, EMBEDDING)
    with torch.no_grad():
        scores, expected = make_scores(model, image)(recurrent, live), model.logits(recurrent, image[live])
    assert scores.shape == (len(live), BEAM, LABELS + 1)
    torch.testing.assert_close(scores, expected, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize(("value", "other"), [(39.0, 39.0), (1e9, 39.0), (39.0, 1e9), (1e9, 1e9)])
def test_values_whose_exponential_is_infinite(value: float, other: float) -> None:
    model = model_of()
    image, recurrent = torch.tensor([[value], [-value], [3.0]]), torch.tensor([[[other], [-other]]])
    image, recurrent = image.expand(1, -1, -1).expand(1, 3, EMBEDDING), recurrent.expand(1, 2, EMBEDDING)
    with torch.no_grad():
        scores = make_scores(model, image)(recurrent, torch.tensor([0]))
        torch.testing.assert_close(scores, model.logits(recurrent, image), rtol=1e-5, atol=2e-5)
        assert make_scores(model, image * torch.nan)(recurrent, torch.tensor([0])).isnan().all()


@pytest.mark.parametrize("settings", [{"spatial": False}, {"activation": "relu"}])
def test_other_models_are_asked_themselves(settings: dict[str, object]) -> None:
    model = model_of(**settings)
    locations = LOCATIONS if model.config.spatial else 1
    image, recurrent = torch.randn(IMAGES, locations, EMBEDDING), torch.randn(2, BEAM, EMBEDDING)
    live = torch.tensor([1, 5])
    with torch.no_grad():
        assert torch.equal(make_scores(model, image)(recurrent, live), model.logits(recurrent, image[live]))
