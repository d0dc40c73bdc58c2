"""From the tree of `method NAME { ... }` to a method.

The settings of a stage are those of `archdsl search`, read off its dataclasses: with an evaluator
ExploreSettings, else SearchSettings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from archdsl.methods.method import TAKEN, WHERE, Around, Method, Stage
from archdsl.ops.binding import Bound, signature
from archdsl.run.settings import ExploreSettings, SearchSettings, check_settings
from archdsl.space.named import bound, literal
from archdsl.space.wording import similar
from archdsl.syntax import tree
from archdsl.syntax.errors import ArchError, Diagnostic, fault
from archdsl.syntax.printer import canonical, print_expression

ONLY = "search"
"""The name of the stage of a method that has no stages of its own."""
SHARED = "shared"
"""The evaluator that needs no name: the weights in training judge."""
Kind = type[SearchSettings] | type[ExploreSettings]


def whole_method(written: tree.Method) -> Method:
    """The method that a text says. Raises ArchError E0860 with all that is wrong in it."""
    stages: list[Stage] = []
    findings: list[Diagnostic] = []
    for one in _stages(written):
        try:
            stages.append(_Reader(one, [stage.name for stage in stages]).stage())
        except ArchError as error:
            findings += error.diagnostics
            stages.append(Stage(name=one.name, settings=SearchSettings()))
    if findings:
        raise ArchError(findings)
    text = canonical(tree.Document(version=1, methods=(written,), span=written.span))
    return Method(name=written.name, text=text, stages=tuple(stages))


def _stages(written: tree.Method) -> Sequence[tree.Stage]:
    """The stages of a method, or its settings as the only one."""
    stages = [item for item in written.items if isinstance(item, tree.Stage)]
    settings = [item for item in written.items if isinstance(item, tree.Constant)]
    if stages and settings:
        raise fault(
            "E0860",
            "a method has settings or stages, not both",
            settings[0].span,
            found=settings[0].name,
            expected="NAME { ... }",
            hint=f"move it into a stage, such as {stages[0].name}",
        )
    for stage in stages:
        if stage.name in TAKEN:
            raise fault(
                "E0860",
                f"a stage cannot be called {stage.name}",
                replace(stage.span, end=stage.span.start + len(stage.name)),
                found=stage.name,
                expected=f"any name but {', '.join(sorted(TAKEN))}: a run has folders of these",
            )
    return stages or [tree.Stage(name=ONLY, settings=tuple(settings), span=written.span)]


class _Reader:
    """Reads one stage, whose text may name those before it."""

    def __init__(self, written: tree.Stage, before: Sequence[str]) -> None:
        self.written = written
        self.before = before
        self.weights: dict[str, None] = {}
        self.kind: Kind = (
            ExploreSettings if any(map(_measures, written.settings)) else SearchSettings
        )
        self.names = {
            part: [p.name for p in signature(part) if p.name not in WHERE]
            for part in (SearchSettings, ExploreSettings, Around)
        }

    def stage(self) -> Stage:
        values: dict[type[Bound], dict[str, object]] = {self.kind: {}, Around: {}}
        findings: list[Diagnostic] = []
        for setting in self.written.settings:
            try:
                part = self._part(setting)
                if part is not None:
                    values[part][setting.name] = self._setting(part, setting)
            except ArchError as error:
                findings += error.diagnostics
        if findings:
            raise ArchError(findings)
        return Stage(
            name=self.written.name,
            settings=self.kind(**values[self.kind]),  # type: ignore[arg-type]
            given=frozenset(values[self.kind]),
            around=Around(**values[Around]),  # type: ignore[arg-type]
            weights=tuple(self.weights),
            places={one.name: one.value.span for one in self.written.settings},
        )

    def _part(self, setting: tree.Constant) -> type[Bound] | None:
        """Which settings it is one of; None for the evaluator that needs no name."""
        for part in (self.kind, Around):
            if setting.name in self.names[part]:
                return part
        if setting.name == "evaluator":
            return None
        known = list(dict.fromkeys((*self.names[self.kind], *self.names[Around], "evaluator")))
        other = SearchSettings if self.kind is ExploreSettings else ExploreSettings
        why, hint = f"a stage has no setting {setting.name}", similar(setting.name, known)
        if setting.name in self.names[other]:
            if other is SearchSettings:
                why, hint = f"{setting.name} is for shared weights", ""
            else:
                why = f"{setting.name} needs an evaluator"
                hint = 'say who judges, for example evaluator = "train(epochs=3)"'
        elif setting.name in WHERE:
            why = f"{setting.name} is an option of the run, not of a method"
        raise fault(
            "E0860",
            why,
            setting.span,
            found=setting.name,
            expected=", ".join(known),
            hint=hint,
        )

    def _setting(self, part: type[Bound], setting: tree.Constant) -> object:
        """A setting as the dataclass takes it, in its range."""
        value = self._value(setting.value)
        found = bound(part, (), {setting.name: value}, setting.span, "E0860")
        if setting.name == "fixed":
            self._known(str(value), setting.value)
        if isinstance(found, SearchSettings | ExploreSettings):
            try:
                check_settings(found)
            except ArchError as error:
                raise ArchError(
                    replace(one, code="E0860", span=setting.span) for one in error.diagnostics
                ) from None
        elif isinstance(found, Around) and found.levels < 1:
            raise _not(setting.value, f"levels cannot be {found.levels}", "at least 1")
        return getattr(found, setting.name)

    def _value(self, value: tree.Expression) -> object:
        """A literal, or a name with settings as the text that `archdsl search` takes."""
        match value:
            case tree.Number() | tree.Flag() | tree.Text() | tree.Negate():
                return literal(value, "E0860")
            case tree.Ref(name=name, index=()):
                return name
            case tree.Call(index=(), comprehensions=()):
                arguments = tuple(map(self._argument, value.arguments))
                return print_expression(replace(value, arguments=arguments), plain=True)
            case _:
                raise _not(
                    value, "a setting is a literal or NAME(SETTING=VALUE, ...)", "one of these"
                )

    def _argument(self, written: tree.Argument) -> tree.Argument:
        """A setting within a value; a bare name is a stage before this one."""
        match written.value:
            case tree.Number() | tree.Flag() | tree.Text() if written.name:
                return written
            case tree.Ref(name=name, index=()) if written.name:
                self._known(name, written.value)
                self.weights[name] = None
                return replace(written, value=tree.Text(value=name, span=written.value.span))
        raise _not(written, "settings have names, and values that are literals", "NAME=VALUE")

    def _known(self, name: str, place: tree.Node) -> None:
        if name not in self.before:
            raise fault(
                "E0860",
                f"no stage before {self.written.name} is called {name}",
                place.span,
                found=name,
                expected=", ".join(self.before) or "no name: this is the first stage",
                hint=similar(name, self.before),
            )


def _measures(setting: tree.Constant) -> bool:
    """Whether it names an evaluator, and not the shared weights in training."""
    match setting.value:
        case tree.Ref(name=name) | tree.Text(value=name) if name == SHARED:
            return False
    return setting.name == "evaluator"


def _not(node: tree.Node, message: str, expected: str) -> ArchError:
    return fault("E0860", message, node.span, expected=expected)
