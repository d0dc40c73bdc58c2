from __future__ import annotations
from archdsl.syntax.errors import Diagnostic
from archdsl.syntax.lexer import Scan
from archdsl.syntax.machine import Machine, Replace, Resume

def check_brackets(result): return None

class DocumentRepairs:
    def __init__(self, scan: Scan, brackets, tables): self.scan=scan; self.tables=tables
    def repair(self, machine: Machine, at: int):
        tok=machine.tokens[at]
        self.scan.report("E0201", "unexpected", tok, found=tok.text, expected=", ".join(sorted(machine.expected())))
        return Resume(None)
    def all_findings(self): return self.scan.findings
StringRepairs = DocumentRepairs
