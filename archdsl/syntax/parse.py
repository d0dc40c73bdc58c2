"""Text to tree: `parse` for files, `parse_genotype` for one-line architecture strings.

Grammars stand in `grammar/`, and Lark reads by them. The stages are Lark's lexer between checks of
limits, the brackets, Lark's parser with our repairs, and the builder, which Lark calls for each
rule.
"""

from __future__ import annotations

from typing import Any

from archdsl.syntax.build import Builder
from archdsl.syntax.build_string import StringBuilder
from archdsl.syntax.depth import check_depth
from archdsl.syntax.errors import ArchError, Diagnostic
from archdsl.syntax.language import Language, load
from archdsl.syntax.lexer import Scan
from archdsl.syntax.limits import limited_scan
from archdsl.syntax.reader import read
from archdsl.syntax.reductions import Reduce
from archdsl.syntax.repair import DocumentRepairs, StringRepairs
from archdsl.syntax.tree import Document, Genotype, Source


def parse(text: str, name: str = "<text>") -> Document:
    """The tree of an architecture file.

    `name` is what diagnostics call the text. Raises ArchError with every syntax error that could
    be told apart, in the order of the text.
    """
    language = load("arch")
    result = limited_scan(Source(name=name, text=text), language)
    repairs = DocumentRepairs(result, language)
    tree: Document = _run(result, language, Builder(result).reduce, repairs)
    check_depth(tree)
    return tree


def parse_genotype(text: str, name: str = "<string>") -> Genotype:
    """The tree of an architecture string, which is not compared with any space here."""
    language = load("strings")
    result = limited_scan(Source(name=name, text=text), language)
    repairs = StringRepairs(result, language)
    tree: Genotype = _run(result, language, StringBuilder(result).reduce, repairs)
    check_depth(tree)
    return tree


def _run(
    result: Scan, language: Language, reduce: Reduce, repairs: DocumentRepairs | StringRepairs
) -> Any:
    value = read(result, language, reduce, repairs)
    findings = repairs.all_findings()
    if findings:
        raise ArchError(sorted(findings, key=_place))
    return value


def _place(finding: Diagnostic) -> int:
    return finding.span.start if finding.span else 0
