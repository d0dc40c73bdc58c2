"""What happens when the parser refuses a token: a finding, and a way to go on."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from archdsl.syntax import describe
from archdsl.syntax.brackets import OUTERMOST, Brackets, match_brackets
from archdsl.syntax.errors import Diagnostic
from archdsl.syntax.language import END, Language
from archdsl.syntax.lexer import MAX_FINDINGS, Scan, Token
from archdsl.syntax.reader import Reader, Replace, Resume
from archdsl.syntax.reductions import Piece
from archdsl.syntax.slip import FOREIGN, NOTHING, Context, Slip
from archdsl.syntax.slips import SLIPS

STARTS = frozenset({"RETURN", "FOR", "IF", "OP", "CELL", "BLOCK", "NET", "TITLE", "WHERE", "VARY"})
"""Keywords where a statement or an item begins, so that parsing can go on there."""


class DocumentRepairs:
    """Repairs for files: a known slip is read as what was meant, else the statement is skipped."""

    def __init__(self, scan: Scan, language: Language) -> None:
        self.scan = scan
        self.language = language
        self.brackets: Brackets = match_brackets(scan)
        self.findings: list[Diagnostic] = []
        self.before: list[int] = []
        self.resumed: set[int] = set()

    def repair(self, reader: Reader, at: int) -> Replace | Resume:
        token = reader.tokens[at]
        context = self._context(reader, at)
        slip = next((slip for slip in SLIPS if slip.when(context)), None)
        self._report(context, slip)
        if len(self.findings) >= MAX_FINDINGS:
            return Resume(None)
        if slip and slip.instead is not None:
            tokens = tuple(
                token._replace(kind=kind, text=text or token.text) if kind else token
                for kind, text in slip.instead
            )
            if self._readable(reader, tokens):
                return Replace(tokens)
        return Resume(self._next_start(reader, at))

    def all_findings(self) -> list[Diagnostic]:
        """Findings of the scan, the brackets and the grammar, without consequential ones."""
        text = self.scan.source.text
        findings = list(self.scan.findings)
        # A line that the scan could not read is not judged by the grammar as well.
        line = partial(text.count, "\n", 0)
        spoiled = {line(f.span.start) for f in findings if f.span and f.code.startswith("E01")}
        cut = len(text) + 1
        if self.brackets.finding is not None and self.brackets.cut is not None:
            cut = self.brackets.cut
            if line(cut) not in spoiled:
                findings.append(self.brackets.finding)
        # A body that closes too early puts what follows outside: its cause is said already.
        early = self.brackets.finding is not None and self.brackets.finding.code == "E0204"
        findings += [
            finding
            for finding, before in zip(self.findings, self.before, strict=True)
            if finding.span
            and finding.span.start < cut
            and not (early and finding.code == "E0216")
            and not {line(finding.span.start), line(before)} & spoiled
        ]
        return (findings or self.findings)[:MAX_FINDINGS]

    def _context(self, reader: Reader, at: int) -> Context:
        tokens = reader.tokens
        token = tokens[at]
        before, earlier = (tokens[at - i] if at >= i else NOTHING for i in (1, 2))
        return Context(
            found=token,
            before=before,
            after=tokens[at + 1] if at + 1 < len(tokens) else NOTHING,
            expected=reader.expected(),
            within=self.brackets.within(tokens, at),
            keyword=token.text in self.language.keywords,
            earlier=earlier,
            first=self._new_line(before, token),
            before_first=self._new_line(earlier, before),
        )

    def _new_line(self, before: Token, token: Token) -> bool:
        return "\n" in self.scan.source.text[before.end : token.start]

    def _report(self, context: Context, slip: Slip | None) -> None:
        token, before = context.found, context.before
        found = describe.found(token, self.language)
        code, message, hint = "E0201", f"{found} cannot stand here", ""
        if token.kind == END:
            code, message = "E0202", "the text ends too early"
        if slip:
            names = {"{found}": token.text[:32], "{before}": before.text[:32]}
            names["{earlier}"] = context.earlier.text[:32]
            code = slip.code if slip.code != "E0201" else code
            message = _filled(slip.message, names) or message
            hint = _filled(slip.hint, names) or FOREIGN.get(before.text, "")
        hint = hint or FOREIGN.get(token.text, "")
        self.before.append(before.start)
        place = context.token(slip.place) if slip else token
        expected = slip.expected if slip else ""
        span = self.scan.span(place.start, place.end)
        if token.kind == END and place is token:
            span = self.scan.span(before.end - 1 if before.end else 0, max(before.end, 0))
        self.findings.append(
            Diagnostic(
                code=code,
                message=message,
                span=span,
                found=describe.found(place, self.language),
                hint=hint,
                expected=expected or describe.in_words(context.expected, self.language),
            )
        )

    def _readable(self, reader: Reader, tokens: tuple[Token, ...]) -> bool:
        """Whether the first token in place of the refused one is accepted (none at all is)."""
        return not tokens or reader.accepts(tokens[0].kind)

    # --- going on at the next statement -----------------------------------------------------

    def _next_start(self, reader: Reader, at: int) -> int | None:
        """The next token where a statement begins or a body ends; brings the stack there."""
        tokens = reader.tokens
        for i in range(at, len(tokens)):
            if i not in self.resumed and self._is_start(tokens, i) and self._unwind(reader, i):
                self.resumed.add(i)
                return i
        return None

    def _is_start(self, tokens: list[Token], i: int) -> bool:
        token, opener = tokens[i], self.brackets.inside[i]
        if token.kind in OUTERMOST:
            return opener < 0
        if opener not in self.brackets.bodies:
            return False
        if token.kind == "RBRACE":
            return True
        first = i == 0 or "\n" in self.scan.source.text[tokens[i - 1].end : token.start]
        if token.kind in STARTS:
            return first or tokens[i - 1].kind in ("LBRACE", "RBRACE")
        return first and token.kind == "NAME" and tokens[i + 1].kind in ("EQUAL", "LSQB")

    def _unwind(self, reader: Reader, i: int) -> bool:
        """Take from the stack what lies above the bracket around token i."""
        kind = reader.tokens[i].kind
        opener = self.brackets.inside[i]
        if opener < 0:
            return reader.unwind(kind, 1)
        brace = reader.tokens[opener]
        values = reader.values
        for depth, value in enumerate(values):
            if value == brace:
                done = depth + 1 < len(values) and _is_list(values[depth + 1])
                # One state lies below all values; finished statements are one list.
                keep = depth + 2 + done
                if not reader.accepts(kind, keep):
                    return False
                reader.cut(keep)
                return True
        return False


def _is_list(value: Piece | Token) -> bool:
    return isinstance(value, Piece) and isinstance(value.value, list)


STRING_FORM = "a string is `SPACE(NAME=VALUE)/GROUP[...; ...]/GROUP[...]`"


class StringRepairs:
    """Architecture strings are short and made by programs: the first finding is the last."""

    def __init__(self, scan: Scan, language: Language) -> None:
        self.scan = scan
        self.language = language
        self.brackets = match_brackets(scan, ("E0603", "E0606"))
        self.findings: list[Diagnostic] = []

    def repair(self, reader: Reader, at: int) -> Replace | Resume:
        token, before = reader.tokens[at], reader.tokens[at - 1] if at else NOTHING
        within = self.brackets.within(reader.tokens, at)
        found = describe.found(token, self.language)
        span = self.scan.span(token.start, token.end)
        code, message = "E0601", f"{found} cannot stand here"
        if "\n" in self.scan.source.text[before.end : token.start] and token.kind != END:
            code, message = "E0605", "an architecture string has one line"
        elif token.kind == END:
            code, message = "E0602", "the architecture string ends too early"
            span = self.scan.span(max(before.end - 1, 0), before.end)
        self.findings.append(
            Diagnostic(
                code=code,
                message=message,
                span=span,
                found=found,
                hint=_string_hint(token, within),
                expected=describe.in_words(reader.expected(), self.language),
            )
        )
        return Resume(None)

    def all_findings(self) -> list[Diagnostic]:
        """One finding of the scan, the brackets or the grammar: the earliest cause."""
        if self.scan.findings:
            first_read = self.scan.findings[0]
            if first_read.code == "E0108":
                first_read = replace(first_read, hint=STRING_FORM)
            return [first_read]
        bracket = self.brackets.finding
        if bracket and self.findings and self.findings[0].span and bracket.span:
            first = self.findings[0].span.start < bracket.span.start
            return self.findings[:1] if first else [bracket]
        return [bracket] if bracket else self.findings


def _filled(text: str, names: dict[str, str]) -> str:
    for mark, name in names.items():
        text = text.replace(mark, name)
    return text


def _string_hint(token: Token, within: str) -> str:
    if within == "[":
        return "entries are separated by `;`, choices by a space, picks of a set by `+`"
    if within == "(" and token.kind == "SEMICOLON":
        return "choices inside an alternative are separated by a space: `a(b c)`"
    if not within:
        return STRING_FORM
    return ""
