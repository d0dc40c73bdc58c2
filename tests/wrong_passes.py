"""Passes with a slip in them, and how many random networks it takes to notice.

`python -m tests.wrong_passes` prints a table. A slip replaces one function of a pass, or one trait
of an operation that passes rely on, as a hurried change would.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache
from multiprocessing import get_context

import torch

from archdsl.ir.graph import Program
from archdsl.ops.activation import Sigmoid
from archdsl.ops.constants import Identity
from archdsl.ops.convolution import Conv
from archdsl.ops.normalisation import BatchNorm, GroupNorm
from archdsl.ops.pooling import MaxPool
from archdsl.passes import (
    batch_shared,
    dedupe,
    draft,
    driver,
    fuse_siblings,
    in_place,
    inline,
    link_perceptrons,
    merge_sums,
    prune,
)
from archdsl.passes.driver import Optimised, optimise
from archdsl.passes.fold_pool import _Fold
from archdsl.passes.link_perceptrons import _Links
from archdsl.passes.weights import UnequalBuffers
from archdsl.syntax.errors import ArchError
from tests.fuzz_rewrites import SPACES, compare, program
from tests.slips import (
    Slip,
    WithoutShift,
    affine_once,
    after,
    any_groups,
    any_reader,
    any_zero,
    as_written,
    by_class,
    classes_alone,
    common,
    default_norms,
    divided_twice,
    draws_alike,
    elementwise,
    factors_left_out,
    first_for_all,
    first_reader,
    following_first,
    half_pooled,
    in_wrong_parts,
    inputs_swapped,
    key_without,
    keyed,
    mean_of_some,
    no_momentum,
    no_zero_product,
    norms_alike,
    not_pooled,
    nothing_dropped,
    operations,
    other_axis,
    own_weights,
    passed_first,
    pooled_as_values,
    pooled_twice,
    read_by_some,
    repeated,
    results_swapped,
    reversed_parts,
    rows,
    rule,
    set_terms,
    split_reversed,
    statistics_once,
    swapped_items,
    told_of_uses,
    traits,
    unordered,
    unpooled,
    uses_ignored,
)

UNORDERED = (draft, "_updates_in_order", lambda *_: {})
RIGHT_REACHED = batch_shared.results_reached

MOST, FEW = 1_000, 500
"""Random networks that are tried, and within which `make fuzz` wants every slip noticed."""


@cache
def rewritten(number: int) -> tuple[Program, Optimised]:
    """A random network, and what the right passes make of it."""
    given = program(number)
    return given, optimise(given)


def networks() -> Iterator[tuple[Program, Optimised]]:
    """The random networks, without those of spaces that ship."""
    return (rewritten(number) for number in range(MOST) if number % SPACES)


@contextmanager
def slipped(slip: Slip) -> Iterator[None]:
    """The passes with the slip in them."""
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in slip.changes]
    try:
        for owner, name, wrong in slip.changes:
            setattr(owner, name, wrong)
        yield
    finally:
        for owner, name, right in before:
            setattr(owner, name, right)


def needed(slip: Slip) -> int | None:
    """How many networks it takes to notice a slip; None where all of them do not."""
    torch.set_num_threads(1)
    for count, (given, right) in enumerate(networks(), 1):
        with slipped(slip):
            try:
                wrong = optimise(given)
            except ArchError:
                return count  # the verifier refuses what the pass left
        if (wrong.program, wrong.weights) != (right.program, right.weights) and differ(
            given, wrong
        ):
            return count
    return None


def differ(given: Program, wrong: Optimised) -> bool:
    try:
        return not compare(given, wrong)[0].ok
    except (UnequalBuffers, IndexError):  # weights that do not go where the map says
        return True
    except RuntimeError as problem:  # torch itself notices what the pass left
        if any(said in str(problem) for said in NOTICED):
            return True
        raise


NOTICED = ("in-place operation", "inplace operation", "shapes cannot be multiplied")


SLIPS: tuple[Slip, ...] = (
    # ---- prune
    Slip("the divisor of a mean falls with its terms", ((prune, "set_terms", set_terms),)),
    Slip("sigmoid of zero taken for zero", (traits(Sigmoid, zero=True),)),
    Slip("norm of zero taken for zero", (traits(BatchNorm, zero=True),)),
    Slip("convolution of zero without its bias", (traits(Conv, zero=True),)),
    Slip("group norm of zero taken for zero", (traits(GroupNorm, zero=True),)),
    Slip("one zero makes a sum zero", ((prune, "gives_zero", any_zero),)),
    Slip("zero factors are left out", (
        (prune, "gives_zero", no_zero_product), (prune, "_simplify", factors_left_out))),
    Slip("a module passes on its first input", ((prune, "_pass_through", passed_first),)),
    Slip("a dead use of a tied norm is dropped", ((prune, "_updates", lambda *_: Counter()),)),
    Slip("updates of one norm in another order", (UNORDERED,)),
    # ---- dedupe
    Slip("two draws taken for one", ((dedupe, "_key", draws_alike),)),
    Slip("weights of different layers taken for one", (key_without(3),)),
    Slip("inputs left out of the key", (key_without(2),)),
    Slip("arguments left out of the key", ((dedupe, "_key", by_class),)),
    Slip("statistics updated once, not twice", ((dedupe, "_key", statistics_once),)),
    Slip("norms with weights of their own merged", ((dedupe, "_key", norms_alike),)),
    Slip("concatenation taken for a set", ((dedupe, "_key", unordered),)),
    Slip("modules with effects merged", (
        told_of_uses(dedupe, "_key", random=False, batch_statistics=False),)),
    Slip("modules with weights merged", (told_of_uses(dedupe, "_key", weights=0),)),
    # ---- merge_sums
    Slip("the maximum taken for linear", (traits(MaxPool, linear=True),)),
    Slip("a convolution with a bias taken for linear", (traits(Conv, linear=True),)),
    Slip("unshared weights taken for shared", (keyed(0, lambda key: key[:2]),)),
    Slip("arguments of linear operations ignored", (
        keyed(0, lambda key: (type(key[0]), *key[1:])),)),
    Slip("a bias counted once in a sum", (rule(1, merge=affine_once),)),
    Slip("a bias counted three times", (rule(1, merge=repeated),)),
    Slip("some terms of a mean taken for all", (rule(0, merge=mean_of_some),)),
    Slip("a mean divided twice", ((merge_sums, "_merge_mean", divided_twice),)),
    Slip("perceptrons of different values merged", (keyed(2, lambda key: key[0]),)),
    Slip("tied perceptrons merged as if untied", (rule(2, key=lambda d, t, u: (
        merge_sums._mlp_key(d, t, Counter()))),)),
    Slip("one bias for all perceptrons", (after("merge_sums", rows(".bias", first_for_all)),)),
    # ---- inline
    Slip("results of a dissolved cell swapped", ((inline, "_copied", results_swapped),)),
    Slip("inputs of a dissolved cell swapped", ((inline, "_copied", inputs_swapped),)),
    # ---- batch_shared
    Slip("batches mixed by what mixes them", (
        (batch_shared, "_each_alone", lambda d, p: True), UNORDERED)),
    Slip("cells that mix batches, run on both", (
        told_of_uses(batch_shared, "_batchable", random=False, batch_statistics=False), UNORDERED)),
    Slip("what follows one use follows all", ((batch_shared, "_following", following_first),)),
    Slip("what nothing takes joins the batch", (
        (batch_shared, "results_reached", lambda d, m: dict.fromkeys(d.live())),)),
    Slip("results that a use leaves out join the batch", (
        (batch_shared, "results_reached", lambda d, m: dict.fromkeys(RIGHT_REACHED(d, m))),)),
    Slip("parts of a batch swapped", (after("batch_shared", swapped_items),)),
    # ---- fuse_siblings
    Slip("dilation ignored", (common("d", "p"),)),
    Slip("stride ignored", (common("s"),)),
    Slip("kernel ignored", (common("k", "kw"),)),
    Slip("groups mixed up", (
        (fuse_siblings, "_chain", any_groups), (fuse_siblings, "_common", as_written))),
    Slip("tied weights widened", ((fuse_siblings, "_chain", uses_ignored),)),
    Slip("norms and activations taken for alike", ((fuse_siblings, "_common", classes_alone),)),
    Slip("eps lost", ((fuse_siblings, "_wide", default_norms),)),
    Slip("momentum lost", ((fuse_siblings, "_wide", no_momentum),)),
    Slip("what is read between is widened", ((fuse_siblings, "only_consumer", first_reader),)),
    Slip("a shuffle widened", ((fuse_siblings, "_elementwise", elementwise),)),
    Slip("what nothing takes is widened", (
        (fuse_siblings, "results_reached", lambda d, m: dict.fromkeys(d.live())),)),
    Slip("results that a use leaves out are widened", (
        (fuse_siblings, "results_reached", lambda d, m: dict.fromkeys(RIGHT_REACHED(d, m))),)),
    Slip("parts swapped", (after("fuse_siblings", swapped_items),)),
    Slip("sizes of a split reversed", (after("fuse_siblings", split_reversed),)),
    Slip("a norm dropped", (after("fuse_siblings", operations(
        lambda o: Identity() if isinstance(o, BatchNorm) else o)),)),
    Slip("weights joined in another order", (
        after("fuse_siblings", rows("weight", reversed_parts)),)),
    Slip("biases joined in another order", (after("fuse_siblings", rows("bias", reversed_parts)),)),
    Slip("statistics joined in another order", (
        after("fuse_siblings", rows("running_mean", reversed_parts)),)),
    Slip("weights joined along another axis", (
        after("fuse_siblings", rows("weight", other_axis)),)),
    # ---- link_perceptrons
    Slip("a pool between perceptrons lost", ((_Links, "_read", unpooled),)),
    Slip("pooled and other perceptrons mixed up", ((_Links, "_read", half_pooled),)),
    Slip("tied perceptrons linked for one use", ((_Links, "_perceptrons", own_weights),)),
    Slip("a map that something else reads is not made", (
        (_Links, "_read", read_by_some), (link_perceptrons, "_seconds", lambda g, d: 0.0))),
    Slip("the bias of the layer between left out", (
        (link_perceptrons, "HiddenToHidden", WithoutShift),)),
    Slip("first layers joined in another order", (
        after("link_perceptrons", rows("first.weight", reversed_parts)),)),
    Slip("perceptrons that lead to other results linked", (
        (link_perceptrons, "results_reached", lambda d, m: dict.fromkeys(d.live())),)),
    # ---- pool_weights
    Slip("values and weights pooled", ((_Fold, "take_in", pooled_twice),)),
    Slip("neither values nor weights pooled", ((_Fold, "take_in", not_pooled),)),
    Slip("tied weights pooled for one use", ((_Fold, "_takes", any_reader),)),
    Slip("weights pooled as values are", ((_Fold, "take_in", pooled_as_values),)),
    # ---- split_gradients
    Slip("columns of a kernel not shifted", (
        in_wrong_parts("seen = x[..., first : first +", "seen = x[..., :"),)),
    Slip("phases joined in another order", (
        in_wrong_parts("permute(2, 4, 0, 5, 1, 3)", "permute(2, 4, 1, 5, 0, 3)"),)),
    Slip("steps of a dilated kernel from the second on", (
        in_wrong_parts("::step, ::step", "step - 1 :: step, ::step"),)),
    Slip("the gradient of a bias left out", (
        in_wrong_parts("dy.sum((0, 2, 3))", "torch.zeros_like(weight[:, 0, 0, 0])"),)),
    # ---- in_place
    Slip("what others read is written over", ((in_place, "_alone", lambda consumers: True),)),
    Slip("views and the caller's values are written over", (
        (in_place, "_fresh", lambda *_: True),)),
    Slip("what a gradient needs is written over", (traits(Sigmoid, fresh=True),)),
    # ---- the driver
    Slip("dead weights reported as kept", ((driver, "expand", nothing_dropped),)),
)  # fmt: skip


def main() -> int:
    """Print how many networks each slip takes; 1 where one takes more than `FEW`."""
    late = 0
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as workers:
        counts = workers.map(_needed, range(len(SLIPS)))  # slips themselves cannot be sent
        for slip, count in zip(SLIPS, counts, strict=True):
            print(f"{count if count is not None else 'never':>6}  {slip.name}", flush=True)
            late += count is None or count > FEW
    print(f"{late} of {len(SLIPS)} slips take more than {FEW} networks")
    return 1 if late else 0


def _needed(number: int) -> int | None:
    return needed(SLIPS[number])


if __name__ == "__main__":
    sys.exit(main())
