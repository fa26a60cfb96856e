from __future__ import annotations

import torch

from cnnrnn.models.backbone import Backbone, BackboneConfig
from cnnrnn.models.cnnrnn import CNNRNN, ModelConfig
from cnnrnn.training.losses import channel_mask


def test_dropout_leaves_out_the_same_channels_at_every_location_and_whoever_has_the_rows() -> None:
    config = ModelConfig(num_labels=5, embedding_dim=4, hidden_dim=7, spatial=True, dropout=0.5)
    model = CNNRNN(config, Backbone(BackboneConfig.of("test_byobnet", 32)))
    feature = torch.ones(2, 6, model.backbone.channels)
    assert channel_mask(model.eval(), feature, 2, slice(None)) is None

    model.train()
    torch.manual_seed(0)
    whole = channel_mask(model, feature, 4, slice(None))
    assert whole is not None
    assert whole.shape == (4, 1, model.backbone.channels)  # one mask for all locations
    assert set(whole.unique().tolist()) == {0.0, 2.0}
    assert (whole[0] != whole[1]).any()
    torch.manual_seed(0)
    shard = channel_mask(model, feature, 4, slice(1, None, 2))
    assert shard is not None
    torch.testing.assert_close(shard, whole[1::2], rtol=0, atol=0)
    kept = model.project_image(feature, shard) - model.project_image(feature * shard)
    assert (kept == 0).all()
