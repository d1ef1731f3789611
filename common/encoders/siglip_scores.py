"""SigLIP's own calibration: from the cosine of a picture and a text to 0–1.

SigLIP is trained on pairs, each on its own: its probability that a text is of a picture is
sigmoid(scale * cosine + bias), with the learned scale and bias of the checkpoint (X. Zhai et al.,
2023, arXiv 2303.15343, section 3.2). It is absolute: it does not depend on what else there is to
choose from.

It is also small. In training one text of some 32,000 was right for a picture, and the bias has
learned that prior, so the probability answers "is this the caption?". A text that names what is
plain to see gets 0.01 to 0.5, a text about something else 0.0001 and less (in transformers'
documentation siglip-base-patch16-224 gives "2 cats" 0.2, and the remote control beside them 0.0).
Search and tags ask "is this in the picture?", so the prior is moved: the odds are divided by the
odds of `EVEN_AT`. The order stays, 0 and 1 stay, and `EVEN_AT` becomes 0.5.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

#: The probability at which "is this in the picture?" is taken to be even. Between the two ranges
#: above, from published examples; to be reviewed when labelled frames are at hand. One for all
#: groups of tags, as nothing yet tells them apart.
EVEN_AT: Final = 0.01

Floats = npt.NDArray[np.float32]


def probability(cosine: float, scale: float, bias: float) -> float:
    """The model's probability that a text is the caption of a picture.

    Args:
        cosine: of their vectors.
        scale: of the checkpoint, as a factor (the exponential of its `logit_scale`).
        bias: of the checkpoint (`logit_bias`).

    Returns:
        0–1, increasing with the cosine.
    """
    return _sigmoid(scale * cosine + bias)


def score(probability: float, *, even_at: float = EVEN_AT) -> float:
    """From "is this the caption?" to "is this in the picture?".

    Args:
        probability: of the model, 0–1.
        even_at: what becomes 0.5, above 0 and below 1.

    Returns:
        0–1, increasing.
    """
    there = probability * (1 - even_at)
    return there / (there + (1 - probability) * even_at)


def scores(cosines: Floats, scale: float, bias: float, *, even_at: float = EVEN_AT) -> Floats:
    """`score(probability(cosine, …))` of many cosines, which keeps what is near 0 apart.

    Args:
        cosines: float32 of any shape.
        scale: as for `probability`.
        bias: as for `probability`.
        even_at: as for `score`.

    Returns:
        float32 of the same shape, 0–1.
    """
    logits = cosines.astype(np.float64) * scale + bias - math.log(even_at / (1 - even_at))
    small = np.exp(-np.abs(logits))
    return np.where(logits >= 0, 1 / (1 + small), small / (1 + small)).astype(np.float32)


def _sigmoid(logit: float) -> float:
    """Without overflow on either side."""
    small = math.exp(-abs(logit))
    return 1 / (1 + small) if logit >= 0 else small / (1 + small)
