from __future__ import annotations

import torch
from torch import nn

from atrous.estimation.learning import tail
from tests.parts import Alone


def test_it_scores_every_position_from_the_heads_output() -> None:
    head = nn.Conv2d(3, 8, 3, padding=1)
    segmenter = tail(Alone(head, 8), 5)
    features = torch.randn(2, 3, 6, 7)
    scores = segmenter({16: features})
    assert scores.shape == (2, 5, 6, 7)
    weight, bias = (segmenter.state_dict()[f"logits.{name}"] for name in ("weight", "bias"))
    products = torch.einsum("kc,bchw->bkhw", weight[:, :, 0, 0], head(features))
    expected = products + bias[:, None, None]
    torch.testing.assert_close(scores, expected)


def test_first_weights_are_as_in_the_reference() -> None:
    torch.manual_seed(0)
    logits = tail(Alone(nn.Identity(), 256), 64).logits
    assert torch.equal(logits.state_dict()["bias"], torch.zeros(64))
    # A normal of deviation 0.01 cut at two deviations has a deviation of 0.0088.
    assert 0.0085 < logits.weight.std() < 0.0091
    assert 0.0195 < logits.weight.abs().max() <= 0.02
