"""What if? The image decoded again under constraints, in another label order, or with evidence occluded."""

from __future__ import annotations

import controls
import state
from what_if import constrained_decoding, cooccurrence, label_order, occlusion


def page() -> None:
    name, checkpoint = controls.chosen_sequence_model(
        "independent sigmoids predict each label without regard to the others, so there is nothing to force or exclude."
    )
    beam = controls.beam()
    image = controls.image()
    before = state.trace(checkpoint, image, beam)
    constrained_decoding.show(checkpoint, image, before, beam)
    label_order.show(checkpoint, image, before)
    occlusion.show(checkpoint, image, before, beam)
    cooccurrence.show(name, before)


page()
