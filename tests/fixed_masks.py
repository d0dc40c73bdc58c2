"""Dropout with a mask of its own for each place in a network, so that draws can be told apart."""

from __future__ import annotations

from dataclasses import dataclass, replace

from archdsl.ir.graph import Apply, Node, Program
from archdsl.ir.types import TensorType, Weight
from archdsl.ops.base import Argument, Code, Helper, Operation, Traits, Types
from archdsl.ops.dropout import Drop

FIXED_MASK = '''\
class FixedMask(nn.Module):
    """Training multiplies with a mask that is part of the state."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.register_buffer("mask", torch.ones(shape))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.mask if self.training else x
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedMask(Operation):
    """One draw of a dropout, held fixed; to passes it is as random as the dropout."""

    keyword = attribute = "fixed_mask"
    helpers = (Helper(name="FixedMask", source=FIXED_MASK),)

    drop: Drop

    def infer(self, inputs: Types) -> TensorType | Types:
        return self.drop.infer(inputs)

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        return (Weight(name="mask", shape=inputs[0].shape, buffer=True),)

    def code(self, inputs: Types) -> Code:
        shape = tuple(Argument(size, "size") for size in inputs[0].shape)
        return Code(constructor="FixedMask", arguments=shape, helpers=("FixedMask",))

    def traits(self, inputs: Types) -> Traits:
        return self.drop.traits(inputs)


def masked(program: Program) -> Program:
    """The program with every dropout that drops something held fixed."""

    def fixed(node: Node) -> Node:
        match node.kind:
            case Apply(Drop(p=p) as drop) if p > 0:
                return replace(node, kind=Apply(FixedMask(drop=drop)))
            case _:
                return node

    return replace(
        program,
        modules={
            key: replace(graph, nodes=tuple(fixed(node) for node in graph.nodes))
            for key, graph in program.modules.items()
        },
    )
