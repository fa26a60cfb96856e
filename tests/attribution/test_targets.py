"""Every target on logits that are logarithms of small numbers: its value can be worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from cnnrnn.attribution.targets import TARGETS, Target, against, against_rivals, log_odds, log_probability, logit

EMITTED = 0  # exp of its logit: -inf
END = 3


def scores(target: Target, unnormalized: list[list[float]], chosen: list[int]) -> Tensor:
    """The target of steps whose probabilities are in these proportions, of three labels and END."""
    return target(torch.tensor(unnormalized).log(), torch.tensor(chosen).unsqueeze(1))


# Three labels and END: 2 : 3 : 1 : 4; then label 1 has been emitted; then only END is left.
STEPS = [[2.0, 3, 1, 4], [2, EMITTED, 1, 4], [EMITTED, EMITTED, EMITTED, 4]]
CHOSEN = [1, 0, END]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (logit, [3, 2, 4]),
        (log_probability, [3 / 10, 2 / 7, 1]),
        (log_odds, [3 / (2 + 1 + 4), 2 / (1 + 4), 1]),
        (against_rivals, [3 / (2 + 4), 2 / (1 + 4), 1]),  # of label 1's rivals 0 is the runner-up; of 0's it is 2
        (against(2), [3 / 1, 2 / 1, 1]),  # emitted at the last step: no rival
        (against(END), [3 / 4, 2 / 4, 1]),  # the last step chose it: not its own rival
        (against(1), [1, 1, 1]),
    ],
)
def test_a_target_is_the_logarithm_of_a_ratio_of_probabilities(target: Target, expected: list[float]) -> None:
    torch.testing.assert_close(scores(target, STEPS, CHOSEN), torch.tensor(expected).log())


def test_ends_only_rival_is_the_most_probable_label() -> None:
    end_chosen = scores(against_rivals, [[2, 3, 1, 4], [2, EMITTED, 1, 4]], [END, END])
    torch.testing.assert_close(end_chosen, torch.tensor([4 / 3, 4 / 2]).log())
    last_label_chosen = scores(against_rivals, [[EMITTED, EMITTED, 1, 4]], [2])  # no runner-up, but END
    torch.testing.assert_close(last_label_chosen, torch.tensor([1 / 4]).log())


@pytest.mark.parametrize("target", [log_odds, log_probability, against_rivals, against(2)])
def test_a_step_without_rivals_has_score_0_and_a_gradient_of_0(target: Target) -> None:
    logits = torch.tensor([[-torch.inf, -torch.inf, -torch.inf, 1.5]], requires_grad=True)
    score = target(logits, torch.tensor([[END]]))
    assert score.tolist() == [0.0]
    (gradient,) = torch.autograd.grad(score.sum(), logits)
    assert gradient.tolist() == [[0.0] * 4]


def test_the_gradient_of_the_log_odds_is_that_of_log_p_divided_by_1_minus_p() -> None:
    logits = torch.tensor([[2.0, 3, 1, 4]]).log().requires_grad_(True)
    odds, probability = (torch.autograd.grad(t(logits, torch.tensor([[1]])).sum(), logits)[0] for t in (
        log_odds, log_probability,
    ))  # fmt: skip
    torch.testing.assert_close(odds, probability / (1 - 3 / 10))
    assert odds[0, 1] == pytest.approx(1)


def test_the_names_of_the_targets() -> None:
    values = {name: scores(target, STEPS, CHOSEN)[0].item() for name, target in TARGETS.items()}
    assert values == pytest.approx({
        "log-odds": math.log(3 / 7),
        "log-probability": math.log(3 / 10),
        "logit": math.log(3),
        "against END and the runner-up": math.log(3 / 6),
    }, rel=1e-5)  # fmt: skip
