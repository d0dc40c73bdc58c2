"""Mutated spaces through the whole of the compiler that handles text.

parse, elaborate, decide, fill at random, price: whatever the input, the answer is a program or
diagnostics with a place, soon. `python -m tests.fuzz_pipeline 20000` runs more than the test.
"""

from __future__ import annotations

import random
import re
import sys
import time
from collections import Counter
from pathlib import Path

from archdsl.ir.cost import cost
from archdsl.ir.elaborate import elaborate
from archdsl.ir.graph import Program
from archdsl.ir.limits import Limits
from archdsl.ir.verifier import verify_program
from archdsl.ops import OPERATIONS
from archdsl.resources import PACKAGE
from archdsl.space.view import SearchSpace
from archdsl.syntax.errors import ArchError
from archdsl.syntax.parse import parse
from archdsl.syntax.render import render

CASES = Path(__file__).parent / "cases"
LIMITS = Limits(nodes=3_000, uses=50_000, steps=60_000, decisions=2_000)
"""Smaller than the defaults, so that reaching them is cheap and happens."""
SECONDS = 30.0
"""Far from any of them, however slow the machine; what doubles with each element gets there."""

TOKEN = re.compile(r'\s+|#[^\n]*|"[^"\n]*"|\d+\.\d+|\w+|->|\.\.|//|==|!=|<=|>=|[^\w\s]')


def _words(text: str) -> list[str]:
    return text.split()


NUMBERS = _words("0 1 2 3 4 5 7 8 16 64 100 1000 20001 999999999 0.5 1e-5 1e9 1.5 2.0 12M")
OPERATORS = _words("-> + * - / // % .. == != < and or")
SYMBOLS = _words("-> + * - / // % ^ .. == < and | , ; = @ ( ) { } [ ]")
KEYWORDS = frozenset(
    _words(
        "archdsl space op cell block net for in if then else return of any and or yes no elastic"
        " title where use vary"
    )
)
NAMES = _words(
    "leaves count floor ceil round_to min max sum mean concat product lerp scan fail n x y i j k c"
)
ATOMS = (
    "{relu | id}", "{1 | 2 | 3}", "{16 | 32}", "(2 of {a = x | b = x -> relu})", "conv(8)@w", "id",
    "(any of {n[j] -> relu for j in 0..i-1})", "(relu -> conv(8))", "(x -> conv(8))", "yes", "(-1)",
    "(if {yes | no} then 8 else 16)", "n[1..2]", "n[{0 | 1}]", "n[i-1]", "n[0]", "(n[0] + x)",
    "{a[h] = attention(heads=h) for h in 1..2}", "leaves(n)", "conv({8 | 16})", "(relu + id)",
    "concat(id, relu)", "relu^{1..3}", "relu^1000", "mean(n)", "sum(x for q in 1..3)", '"a"',
    "fail(\"no\")",
    "scan(step, x, x)", "lerp(x, x, x)", "embedding(8, rows={8 | 9})", "(1..3)",
    "linear(8, weight_bits={2 | 4})", "conv(8, k={3 | 5}, s=2)", "(x -> relu^{0 | 2})", "(3 / 2)",
)  # fmt: skip
STATEMENTS = (
    "f = relu -> conv(8)", "for q in 1..3 { z[q] = x -> relu }", "return x, x", "k = {3 | 5}",
    "if yes { y = x } else { y = x -> relu }", "n[0] = n[7] = x", "u = f(x)", "s = leaves(n)",
    "for q in 1..3 { for r in 1..q { z[q, r] = x -> conv(8)@w[r] } }", "return y -> conv({8 | 16})",
)  # fmt: skip


def texts() -> list[str]:
    """The shipped spaces, others that the language carries, and broken ones."""
    shipped = sorted((PACKAGE / "spaces").glob("*.arch"))
    spaces = sorted((CASES / "spaces").glob("*.arch"))
    broken = sorted((CASES / "errors" / "elaborate").glob("*.arch"))
    return [p.read_text(encoding="utf-8") for p in (*shipped * 10, *spaces * 4, *broken)]


def mutate(text: str, chance: random.Random) -> str:
    """Words replaced by others of their kind; expressions and statements grafted; some damage."""
    tokens = [token for token in TOKEN.findall(text) if not token.startswith("#")]
    words = [i for i, token in enumerate(tokens) if _is_word(token)]
    names = [t for t in tokens if t[0].isalpha() and t not in KEYWORDS]
    names += [operation.keyword for operation in OPERATIONS] + NAMES
    signs = [i for i, token in enumerate(tokens) if token in OPERATORS]
    for _ in range(chance.choice((1, 1, 1, 2, 3, 5))):
        i = chance.choice(words)
        kind = chance.randrange(20)
        if kind < 9:
            tokens[i] = _like(tokens[i], names, chance)
        elif kind < 11:
            tokens[chance.choice(signs or words)] = f" {chance.choice(OPERATORS)} "
        elif kind < 14:
            tokens[i] = f" {chance.choice(ATOMS)} "
        elif kind < 16:
            tokens[i] += f" {chance.choice(('->', '->', '+', '*'))} {chance.choice(ATOMS)} "
        elif kind == 16:
            ends = [j for j, token in enumerate(tokens) if token in ("return", "for")]
            j = chance.choice(ends or words)
            tokens[j] = f"{chance.choice(STATEMENTS)}\n{tokens[j]}"
        elif kind < 19:
            j = chance.choice(words)
            tokens[i], tokens[j] = tokens[j], tokens[i]
        else:
            tokens[i] = f"{chance.choice(SYMBOLS)} "
    return "".join(tokens)


def _is_word(token: str) -> bool:
    return (token[0].isalnum() or token[0] == '"') and token not in KEYWORDS


def _like(token: str, names: list[str], chance: random.Random) -> str:
    if token[0].isdigit():
        return chance.choice(NUMBERS)
    if token[0] == '"':
        return chance.choice(('"none"', '"mlp"', '"paper"', '"linear"', '""'))
    return chance.choice(names)


def run_pipeline(text: str, chance: random.Random) -> str:
    """`fine`, or the code of what is wrong; anything else is an exception."""
    try:
        for space in parse(text, "fuzz").spaces:
            _fill(elaborate(space, limits=LIMITS), chance)
    except ArchError as error:
        for finding in error.diagnostics:
            assert finding.span is not None, finding
            render(finding)
        return error.diagnostics[0].code
    return "fine"


def _fill(program: Program, chance: random.Random) -> None:
    verify_program(program)
    cost(program)
    space = SearchSpace(program)
    names = {node.path for graph in program.modules.values() for node in graph.nodes}
    architecture = space.sample(chance)
    assert space.parse(architecture.text) == architecture
    network = verify_program(space.resolve(architecture), "resolve")
    assert {n.path for graph in network.modules.values() for n in graph.nodes} <= names
    assert cost(network).params <= cost(program).params


def run(count: int, seed: int) -> Counter[str]:
    """Run `count` mutated texts; raises on the first that is neither answered nor refused."""
    chance = random.Random(seed)
    given = texts()
    outcomes: Counter[str] = Counter()
    for number in range(count):
        text = mutate(chance.choice(given), chance)
        begin = time.process_time()
        try:
            outcomes[run_pipeline(text, chance)] += 1
        except Exception as error:
            raise AssertionError(f"input {number} of seed {seed}:\n{text}") from error
        spent = time.process_time() - begin
        assert spent < SECONDS, f"input {number} of seed {seed} took {spent:.1f} s:\n{text}"
    return outcomes


def main(count: int) -> None:
    """Run `count` inputs in batches of other seeds, and say what came out."""
    total: Counter[str] = Counter()
    for seed in range(0, count, 1_000):
        total += run(min(1_000, count - seed), seed)
    print(", ".join(f"{code} {number}" for code, number in total.most_common()))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2_000)
