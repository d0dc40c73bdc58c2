"""The settings of what learns the gates of a supernet by gradients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Literal

from archdsl.controllers.settings import within
from archdsl.controllers.stages import Stages, stages_of
from archdsl.ops.base import OperationError

Relaxation = Literal["softmax", "gumbel", "one_hot", "two_paths", "scale", "dropout", "vae"]
ALONE = ("one_hot", "two_paths", "vae")
"""Where few alternatives run, so that neither their next step nor parts of a mixture are known."""

MOST_VAE = 4_096
"""No size of the autoencoder is larger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DartsSettings:
    """`relaxation` is how weights come from the logits of a decision:

    softmax    of the logits: Liu, Simonyan and Yang, "DARTS", equation 2
    gumbel     of the logits and Gumbel noise, by a temperature: Xie et al., "SNAS", equation 4
    one_hot    the same, but the heaviest alone runs, with the gradient of all: Dong and Yang,
               "Searching for a Robust Neural Architecture in Four GPU Hours" (GDAS), equation 4
    two_paths  two that are drawn run while gates learn, one while weights do: Cai, Zhu and Han,
               "ProxylessNAS", section 3.2
    scale      none: weights are numbers of their own, from 1, that `sparsity` pulls to exactly 0:
               Zhang et al., "You Only Search Once: Single Shot Neural Architecture Search via
               Direct Sparse Optimization" (DSO-NAS), equations 6 to 9
    dropout    nothing is learned: each alternative of k is there or not, gone with a chance
               that rises from 0 to `drop`^(1/k) with the epochs: Bender et al.,
               "Understanding and Simplifying One-Shot Architecture Search", section 3.2

    vae        one architecture runs, drawn from an autoencoder of the best seen (see sampler.py):
               its weights learn, and the logits of what it takes: "TNAS", section 4.3

    The temperature falls from `hot` to `cold` with the epochs. `order` 2 looks one step of the
    supernet's weights ahead (DARTS, equations 7 and 8). `learning_rate` and `weight_decay` are
    those of Adam. The gates rest for `warmup` epochs. `sources`: also which of several are taken
    has gates, as in PC-DARTS; in DARTS all weigh 1. `none` may win only if so. `channels` and
    `tokens` are the share that mixtures run on, as 1/4 (PC-DARTS, DASViT). `fair_skip` and
    `fair_kind` are the factors of DASViT's penalties, with `least` and `most` as the share of all
    weight that a kind may have. After an epoch in which a definition points to so many `skips`,
    values passed on as they are, the search ends: Liang et al., "DARTS+", criterion 1.

    In stages (see stages.py), each as long as the recipe says: `keep`, as "8, 5, 3", is how many
    alternatives a decision has at most in each, the heaviest of the stage before; `grow`, as
    "layers=2, 4, 6", a parameter of the space in each; `skip_dropout`, as "0, 0.4, 0.7", the
    dropout behind skips when each begins. Weights and gates go on in the next stage unless
    `fresh`. Of a definition at most `skip_limit` skips are taken, if it is not 0 (P-DARTS).

    Of `vae` the paper leaves open all numbers: the autoencoder is trained anew after every `refit`
    architectures, in `vae_steps` steps on the `best` of them by their loss on one batch, with
    `kl_weight`; before the first time, architectures are uniform. Its Transformers have
    `vae_layers`, `vae_heads`, `vae_width` channels, its codes `vae_latent` numbers.

    With a `cost` (macs, params, or the file of a table of latencies) the loss of the gates is times
    `cost_alpha` log(1 + expected cost)^`cost_beta`: Wu et al., "FBNet", equation 2.
    """

    keyword: ClassVar[str] = "darts"

    relaxation: Relaxation = "softmax"
    order: int = 1
    learning_rate: float = 3e-4
    weight_decay: float = 1e-3
    hot: float = 10.0
    cold: float = 0.1
    warmup: int = 0
    sources: bool = False
    none: bool = False
    channels: str = "1"
    tokens: str = "1"
    fair_skip: float = 0.0
    fair_kind: float = 0.0
    least: float = 0.1
    most: float = 0.6
    skips: int = 0
    keep: str = ""
    grow: str = ""
    fresh: bool = False
    skip_dropout: str = "0"
    skip_limit: int = 0
    cost: str = ""
    cost_alpha: float = 0.2
    cost_beta: float = 0.6
    sparsity: float = 0.01
    drop: float = 0.5
    refit: int = 20
    best: int = 20
    vae_steps: int = 100
    kl_weight: float = 0.1
    vae_width: int = 32
    vae_latent: int = 8
    vae_layers: int = 2
    vae_heads: int = 4

    def __post_init__(self) -> None:
        within(self, 1, "order", most=2)
        within(self, 0, "learning_rate", "weight_decay", "warmup", "skips", "skip_limit")
        within(self, 0, "cost_alpha", "cost_beta", "sparsity")
        within(self, 0, "drop", most=1)
        within(self, 0, "kl_weight")
        within(self, 1, "refit", "best", "vae_steps")
        within(self, 1, "vae_width", "vae_latent", "vae_layers", "vae_heads", most=MOST_VAE)
        if self.vae_width % self.vae_heads:
            raise OperationError(
                "darts: the channels of the autoencoder are shared out between its heads",
                found=f"vae_width={self.vae_width}, vae_heads={self.vae_heads}",
                expected="a multiple",
            )
        within(self, 0, "fair_skip", "fair_kind")
        within(self, 0, "least", "most", most=1)
        within(self, 1e-6, "hot", "cold")
        if self.order == 2 and self.relaxation in ALONE:
            raise OperationError(
                "darts: what runs differs from step to step, so no step can be looked ahead",
                found="order=2",
                expected=f'order=1 with relaxation="{self.relaxation}"',
            )
        if self.shares and self.relaxation in ALONE:
            raise OperationError(
                "darts: a part of channels or tokens is for mixtures, where all alternatives run",
                found=f'relaxation="{self.relaxation}"',
                expected='relaxation="softmax" or "gumbel"',
            )
        if self.stages.dropout and self.relaxation in ALONE:
            raise OperationError(
                "darts: dropout behind skips is for mixtures, where all alternatives run",
                found=f'relaxation="{self.relaxation}"',
                expected='relaxation="softmax" or "gumbel"',
            )

    @property
    def sampled(self) -> bool:
        """Whether an autoencoder says which architecture runs."""
        return self.relaxation == "vae"

    @property
    def stages(self) -> Stages:
        """The stages of the search. Raises OperationError for what says none."""
        return stages_of(self.keyword, self.keep, self.grow, self.skip_dropout)

    @property
    def shares(self) -> Mapping[str, Fraction]:
        """What mixtures run on a share of. Raises OperationError for what is no share."""
        given = {"channels": self.channels, "tokens": self.tokens}
        found = {what: _share(what, text) for what, text in given.items()}
        return {what: share for what, share in found.items() if share != 1}


def _share(what: str, text: str) -> Fraction:
    try:
        share = Fraction(text)
    except (ValueError, ZeroDivisionError):
        share = Fraction(0)
    if not 0 < share <= 1:
        raise OperationError(
            f"darts: {what} is a share", found=f'{what}="{text}"', expected='as "1/4", at most "1"'
        )
    return share
