"""`vary`: rules that turn arguments of operations into holes, wherever these are applied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from archdsl.ir.find import find_operation
from archdsl.ir.references import walk
from archdsl.ops.binding import signature
from archdsl.syntax import tree
from archdsl.syntax.errors import fault

IT = "it"
"""What a rule calls the argument as the text gives it."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of a space, by the operation that they vary."""

    by_operation: Mapping[str, tuple[tree.Vary, ...]]

    @classmethod
    def of(
        cls, space: tree.Space, definitions: Mapping[str, tree.Operation | tree.Module]
    ) -> Rules:
        """Raises ArchError for rules about what is not there."""
        found: dict[str, tuple[tree.Vary, ...]] = {}
        for item in space.items:
            if isinstance(item, tree.Vary):
                _check(item, definitions)
                found[item.operation] = (*found.get(item.operation, ()), item)
        return cls(found)

    def at(self, operation: str, definition: str) -> Sequence[tree.Vary]:
        """The rules for an operation that is written in a definition, in the order of the text."""
        rules = self.by_operation.get(operation, ())
        return [rule for rule in rules if not rule.within or definition in rule.within]

    def opens(self, operation: str, definition: str) -> bool:
        """Whether an operation written in a definition gets a hole."""
        return any(
            isinstance(part, tree.Hole)
            for rule in self.at(operation, definition)
            for argument in rule.arguments
            for part in walk(argument.value)
        )


def _check(rule: tree.Vary, definitions: Mapping[str, tree.Operation | tree.Module]) -> None:
    operation = None
    if rule.operation not in definitions:
        operation = find_operation(rule.operation, rule.span)
    if operation is None:
        raise fault(
            "E0301",
            f"vary knows no operation {rule.operation}",
            rule.span,
            found="a definition" if rule.operation in definitions else rule.operation,
            expected="an operation such as conv",
            hint="rules are about operations; say in which definitions behind `in`",
        )
    takes = [parameter.name for parameter in signature(operation)]
    for argument in rule.arguments:
        if argument.name not in takes:
            raise fault(
                "E0304",
                f"{rule.operation} takes no argument {argument.name}"
                if argument.name
                else "vary names the arguments that it is about",
                argument.span,
                found=argument.name or "an argument without a name",
                expected=", ".join(takes) or "no arguments",
                hint=f"vary {rule.operation}({takes[0]}=it * {{0.5 | 1}})" if takes else "",
            )
    for name in rule.within:
        if name not in definitions:
            raise fault(
                "E0301",
                f"no definition is called {name}",
                rule.span,
                found=name,
                expected=", ".join(definitions),
                hint="behind `in` stand the definitions whose text the rule is about",
            )
