"""Text to tree: `parse` for files, `parse_genotype` for one-line architecture strings.

Grammars stand in `grammar/`. The stages are the scan (limits, tokens, comments), the brackets,
the LALR machine with its repairs, and the builder, which the machine calls for each rule.
"""

from __future__ import annotations

from typing import Any

from archdsl.syntax.build import Builder
from archdsl.syntax.build_string import StringBuilder
from archdsl.syntax.depth import check_depth
from archdsl.syntax.errors import ArchError, Diagnostic
from archdsl.syntax.lexer import Scan
from archdsl.syntax.limits import limited_scan
from archdsl.syntax.machine import Machine, Reduce
from archdsl.syntax.repair import DocumentRepairs, StringRepairs
from archdsl.syntax.tables import Tables, load
from archdsl.syntax.tree import Document, Genotype, Source


def parse(text: str, name: str = "<text>") -> Document:
    """The tree of an architecture file.

    `name` is what diagnostics call the text. Raises ArchError with every syntax error that could
    be told apart, in the order of the text.
    """
    tables = load("arch")
    result = limited_scan(Source(name=name, text=text), tables)
    repairs = DocumentRepairs(result, tables)
    tree: Document = _run(result, tables, Builder(result).reduce, repairs)
    check_depth(tree)
    return tree


def parse_genotype(text: str, name: str = "<string>") -> Genotype:
    """The tree of an architecture string, which is not compared with any space here."""
    tables = load("strings")
    result = limited_scan(Source(name=name, text=text), tables)
    repairs = StringRepairs(result, tables)
    tree: Genotype = _run(result, tables, StringBuilder(result).reduce, repairs)
    check_depth(tree)
    return tree


def _run(
    result: Scan, tables: Tables, reduce: Reduce, repairs: DocumentRepairs | StringRepairs
) -> Any:
    value = Machine(tables, reduce, result.tokens).run(repairs)
    findings = repairs.all_findings()
    if findings:
        raise ArchError(sorted(findings, key=_place))
    return value


def _place(finding: Diagnostic) -> int:
    return finding.span.start if finding.span else 0
