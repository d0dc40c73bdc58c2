"""Supernet path = network = optimised network, on samples; `make verify` has the full counts."""

from __future__ import annotations

import random

import pytest
import torch

from archdsl.ir.printer import print_program
from archdsl.load import load_network
from archdsl.passes.driver import optimise
from archdsl.passes.weights import Keep
from archdsl.verify.compare import smooth, verify_optimised
from archdsl.verify.equal import Comparison, Subject
from archdsl.verify.networks import Verifier, verify
from archdsl.verify.plain import plain_network
from tests.shipped import shipped, written
from tests.verify_full import EIGHTH, EIGHTH_201, Job, jobs

# Of each semantics and edge; `make verify` runs all of the small space and hundreds of the large.
SAMPLES = tuple(jobs(5, 5, 12, {**EIGHTH, "depth3": 1}, {**EIGHTH_201, "size": 16}, 8, 2, "sample"))


@pytest.mark.parametrize("job", SAMPLES, ids=str)
def test_sampled_architectures(job: Job) -> None:
    torch.set_num_threads(1)
    wrong = [verdict for verdict in job.run() if not verdict.ok]
    assert not wrong, "\n".join(map(str, wrong))


def test_other_semantics_and_baselines() -> None:
    for mixer in ("pool", "mlp", "attention"):
        space = shipped("metaformer", mixer=mixer, **EIGHTH)
        assert verify(space, space.unrank(0), steps=False).ok
    space = shipped("metaformer_nas", semantics="as_released", **EIGHTH)
    assert verify(space, space.sample(random.Random(1)), steps=False).ok


TWO_INPUT_CELLS = """archdsl 1
space two_inputs {
  op step(k) = relu -> conv(4, k=k, bias=no) -> bn
  cell normal(a, b) {
    n[0] = a
    n[1] = b
    for i in 2..3 { n[i] = sum(2 of {n[j] -> {none | id | s1 = step(1) | s3 = step(3) | max_pool(3)}
                                     for j in 0..i-1}) }
    return concat(n[2..3]) -> conv(4)
  }
  block tail(x) = x -> {id | c1 = conv(4) | c3 = conv(4, k=3)} -> relu
  net network(image: 3 x 8 x 8) {
    s[0] = image -> conv(4)
    s[1] = s[0] -> tail
    s[2] = normal(s[0], s[1])
    s[3] = normal(s[1], s[2]) -> tail
    return s[3] -> global_pool -> linear(3)
  }
}
"""


def test_cells_with_two_inputs_and_blocks_decided_anew() -> None:
    space = written(TWO_INPUT_CELLS)
    rng = random.Random(2)
    for number in range(12):
        verdict = verify(space, space.sample(rng), batch=8, steps=number < 2)
        assert verdict.ok, str(verdict)


TIED = {
    "in one expression": """return (image -> bn@n)
      + (image -> {a = tanh -> bn@n | relu | b = conv(4) -> bn@n}) + (image -> sigmoid -> bn@n)""",
    "in cells": """return (image -> normed@n) + (image -> {a = tanh -> normed@n | relu})
      + (image -> normed@n)""",
    "unread": "a = image -> {id | relu} -> bn@n  b = image -> tanh -> bn@n  return a",
    "stacked": """a = image -> conv(4)@w -> bn@n  b = image -> relu -> bn@n
      c = image -> tanh -> conv(4)@w -> tanh  return a + b + c""",
    "in a branch": """a = image -> bn@n  b = image -> tanh -> bn@n
      return b + {one = a | two = image -> relu}""",
    "in terms": """a = image -> relu -> bn@n  b = image -> tanh -> bn@n
      c = image -> sigmoid -> bn@n -> relu
      return b + sum(image, any of {x = a -> relu | y = c | z = image -> bn@n})""",
    "of zeros": """a = image -> none -> gated@c  b = image -> {id | relu} -> gated@c
      return concat(a, b)""",
}


@pytest.mark.parametrize("case", TIED)
def test_statistics_of_a_norm_with_several_uses(case: str) -> None:
    """Running averages depend on the order of updates: that of the text, by what is read."""
    space = written(
        f"""archdsl 1
        space tied {{
          cell normed(x) = x -> conv(4) -> bn
          cell gated(x) = (x -> conv(4, bias=no)) * (x -> bn)
          net network(image: 4 x 6 x 6) {{ {TIED[case]} }}
        }}"""
    )
    for number in range(space.size):
        verdict = verify(space, space.unrank(number), batch=8, steps=False)
        assert verdict.ok, str(verdict)


# ---- the check itself ----------------------------------------------------------------------------


def test_a_verdict_says_what_was_compared() -> None:
    space = written(TWO_INPUT_CELLS)
    verdict = verify(space, space.unrank(0), batch=8)
    assert {row.subject for row in verdict.rows} == {
        "supernet path",
        "network",
        "optimised network",
        "deployed network",
    }
    checks = {row.check for row in verdict.rows if row.subject == "optimised network"}
    assert {
        "outputs, eval, float64",
        "outputs, train, float32",
        "gradients, train, float64",
        "gradients, eval, float32",
        "statistics after training, float64",
        "weights after 5 steps of SGD",
        "weights after 5 steps of AdamW",
    } <= checks
    assert "ok" in str(verdict) and "MISMATCH" not in str(verdict)


def test_smooth_networks_have_no_kinks() -> None:
    space = written(TWO_INPUT_CELLS)
    program = smooth(space.resolve(space.unrank(space.size - 1)))
    kinds = {type(node.kind.operation).__name__ for graph in program.modules.values()
             for node in graph.nodes if hasattr(node.kind, "operation")}  # fmt: skip
    assert not kinds & {"ReLU", "MaxPool"}
    gelu = shipped("metaformer", **EIGHTH)
    assert smooth(gelu.program) is gelu.program


def test_chance_is_switched_off() -> None:
    """Noise on the way is no difference, and no pass takes two draws for one."""
    space = written("""archdsl 1
      space s() {
        block noisy(x; c) {
          y = x -> {conv = conv(c, k=3) -> dropout(0.3) | drop_path(0.2)}
          return sum(y -> dropout(0.5), y -> dropout(0.5), x)
        }
        net network(image: 4 x 4 x 4) { return image -> noisy(c=4)^2 -> flatten -> linear(3) }
      }""")
    verifier = Verifier(space)
    for index in range(space.size):
        verdict = verifier(space.unrank(index))
        assert verdict.ok, str(verdict)
    optimised = print_program(optimise(space.resolve(space.unrank(0))).program)
    assert optimised.count("= dropout %") == 2  # of one input, in the one form of the block


def test_missing_and_superfluous_weights_are_mismatches() -> None:
    space = written(TWO_INPUT_CELLS)
    program = space.resolve(space.unrank(3))
    right = optimise(program)
    entries = dict(right.weights.entries)
    entries["nowhere.weight"] = Keep(next(iter(entries)))
    object.__setattr__(right.weights, "entries", entries)
    verdict = verify_optimised(program, right, steps=False)
    assert "has no nowhere.weight" in str(verdict)


def test_a_layer_scale_of_1e_5_hides_nothing() -> None:
    """Weights are made of sensible size first, so what is behind a layer scale is seen."""
    text = """archdsl 1
    space scaled { net network(image: 4 x 6 x 6) = image + (image -> {0} -> scale(1e-5)) }"""
    first = written(text.replace("{0}", "pool"))
    second = written(text.replace("{0}", "relu"))
    reference = plain_network(first.resolve(first.unrank(0)))
    other = plain_network(second.resolve(second.unrank(0)))
    torch.manual_seed(0)
    state = {name: torch.randn_like(tensor) for name, tensor in reference.state_dict().items()}
    subjects = Subject("first", reference), Subject("second", other)
    comparison = Comparison(subjects[0], subjects[0], state, (torch.randn(2, 4, 6, 6),))
    assert not all(row.ok for row in comparison.float64(subjects[1]))


def test_generated_networks_have_the_names_of_the_plain_ones() -> None:
    space = shipped("nas_bench_201", cells=1, width=4, size=8)
    rng = random.Random(9)
    for _ in range(5):
        program = space.resolve(space.sample(rng))
        for each in (program, optimise(program).program):
            names = load_network(each).state_dict().keys()
            assert names == plain_network(each).state_dict().keys()
