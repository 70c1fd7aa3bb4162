"""Finds faults that can be put into rules: places in the sources and what to write there."""

import random
import re
from dataclasses import dataclass

TOKEN = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"\((?:.|\n)*?\)"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\''
    r"|\\\n|[A-Za-z_]\w*|(?:\d[\d']*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?[A-Za-z]*"
    r"|::|->|\+\+|--|&&|\|\||<<=|>>=|<=|>=|==|!=|\+=|-=|\*=|/=|\|=|&=|\.\.\.|[^\s]", re.S)
OPEN, CLOSE = {"(": ")", "[": "]", "{": "}"}, {")", "]", "}"}
PRECEDENCE = {"*": 9, "/": 9, "%": 9, "+": 8, "-": 8, "<": 7, ">": 7, "<=": 7, ">=": 7, "==": 6,
              "!=": 6, "&": 5, "|": 5, "&&": 4, "||": 3, "?": 2, ":": 2, "=": 1, "+=": 1, "-=": 1,
              "*=": 1, "/=": 1, "|=": 1, "&=": 1, "return": 0}
KEYWORDS = {"if", "for", "while", "switch", "return", "sizeof", "static_assert", "constexpr", "const",
            "auto", "else", "template", "typename", "class", "struct", "using", "requires", "new",
            "decltype", "noexcept", "alignof", "operator", "case", "throw", "static", "do", "namespace"}
KINDS = ["factor", "sign", "addend", "overwrite", "operand", "axis"]


@dataclass(frozen=True)
class Fault:
    file: str
    begin: int
    end: int
    text: str
    kind: str


@dataclass
class Token:
    text: str
    begin: int
    end: int
    spaced_before: bool
    spaced_after: bool


class Source:
    """The tokens of a file, without comments and preprocessor lines, and its matching brackets."""

    def __init__(self, path, text):
        self.path, self.text = path, text
        self.tokens = []
        # Offsets remain valid; macros that define functions are kept.
        code = re.sub(r"^#(?!define).*$", lambda m: " " * len(m[0]), text, flags=re.M)
        code = re.sub(r"^#define \w+(\([^)]*\))?", lambda m: " " * len(m[0]), code, flags=re.M)
        for m in TOKEN.finditer(code):
            if m[0].startswith(("//", "/*", "\\\n")):
                continue
            after = code[m.end():m.end() + 2]
            self.tokens.append(Token(m[0], m.start(), m.end(), code[m.start() - 1:m.start()].isspace(),
                                     after[:1].isspace()))
        self.match, self.outer = {}, []
        stack = []
        for i, token in enumerate(self.tokens):
            self.outer.append(self.word(stack[-1]) if stack else "")
            if token.text in OPEN:
                stack.append(i)
            elif token.text in CLOSE and stack:
                self.match[stack[-1]] = i
                self.match[i] = stack.pop()

    def word(self, i):
        return self.tokens[i].text if 0 <= i < len(self.tokens) else ""

    def bodies(self):
        """(first, last, heading) of each function's and lambda's body: indices of its braces."""
        for i, token in enumerate(self.tokens):
            if token.text != "{" or i not in self.match:
                continue
            j = i - 1
            while self.word(j) in ("const", "override", "mutable", "noexcept"):
                j -= 1
            if self.word(j - 1) == "->":
                j -= 2
            if self.word(j) != ")":
                continue
            before = self.word(self.match[j] - 1)
            if before in ("if", "for", "while", "switch", "constexpr"):
                continue
            yield i, self.match[i], self.match[j]

    def rules(self, names):
        """Token ranges of rules: bodies with a parameter of type Adjoints, or of a given name."""
        wanted = re.compile(names + "$") if names else None
        found = []
        for first, last, heading in self.bodies():
            parameters = self.text[self.tokens[heading].begin:self.tokens[first].begin]
            name = self.word(heading - 1)
            if not re.search(r"\bAdjoints<T>&", parameters) and not (wanted and wanted.match(name)):
                continue
            found.append((first, last))
        return [r for r in found
                if not any(o != r and o[0] <= r[0] and r[1] <= o[1] for o in found)]

    def derivatives(self):
        """Token ranges of the derivatives in the list of functions."""
        columns = {"UNROLL_UNARY": [4], "UNROLL_UNARY_WITH": [5], "UNROLL_SLOPE": [2, 3],
                   "UNROLL_BINARY": [4, 5]}
        for i in range(len(self.tokens)):
            if self.word(i) in columns and self.word(i + 1) == "(" and self.word(i - 1) != "ifndef":
                fields = self.arguments(i + 1)
                for c in columns[self.word(i)]:
                    if c < len(fields):
                        yield fields[c][0] - 1, fields[c][1]

    def arguments(self, paren):
        """Token ranges [begin, end) of what is between commas in brackets."""
        out, begin, angle = [], paren + 1, 0
        i = begin
        while i < self.match[paren]:
            w = self.word(i)
            if w in OPEN:
                i = self.match[i]
            elif w == "<" and not self.tokens[i].spaced_before:
                angle += 1
            elif w == ">" and angle > 0 and not self.tokens[i].spaced_before:
                angle -= 1
            elif w == "," and angle == 0:
                out.append((begin, i))
                begin = i + 1
            i += 1
        out.append((begin, self.match[paren]))
        return out

    def span(self, begin, end):
        return self.text[self.tokens[begin].begin:self.tokens[end - 1].end]

    def is_binary(self, i):
        t = self.tokens[i]
        return t.text in PRECEDENCE and t.spaced_before and t.spaced_after

    def operands(self, i):
        """Token ranges of the two operands of the binary operator i."""
        own = PRECEDENCE[self.word(i)]
        j = i - 1
        while j >= 0:
            w = self.word(j)
            if w in CLOSE:
                j = self.match[j]
            elif w in OPEN or w in (",", ";", "return") or (
                    self.is_binary(j) and PRECEDENCE[w] < own):
                break
            j -= 1
        left = (j + 1, i)
        j = i + 1
        while j < len(self.tokens):
            w = self.word(j)
            if w in OPEN:
                j = self.match[j]
            elif w in CLOSE or w in (",", ";") or (self.is_binary(j) and PRECEDENCE[w] <= own):
                break
            j += 1
        return left, (i + 1, j)


def errors(source, first, last):
    """Indices of tokens of error messages and checks of arguments, which are not part of a rule."""
    skipped = set()
    for i in range(first, last):
        if source.word(i) in ("fail", "refuse", "static_assert") and source.word(i + 1) == "(":
            j = source.match[i + 1] + 1
            k = i
            while k > first and source.word(k - 1) not in (";", "{", "}"):
                k -= 1
            skipped.update(range(k, j))
    return skipped


def faults_of(source, first, last):
    """All faults within the tokens (first, last)."""
    s, skipped = source, errors(source, first, last)

    def fault(begin, end, text, kind):
        b, e = s.tokens[begin].begin, s.tokens[end - 1].end
        # Lines keep their numbers.
        gone = s.text[b:e].count("\n") - text.count("\n")
        macro = "\\" if "\\\n" in s.text[b:e] else ""
        return Fault(s.path, b, e, text + (macro + "\n") * gone, kind)

    for i in range(first + 1, last):
        if i in skipped:
            continue
        w, token = s.word(i), s.tokens[i]
        if s.is_binary(i) and w in ("+", "-", "*", "/"):
            left, right = s.operands(i)
            if left[0] >= left[1] or right[0] >= right[1] or '"' in s.span(left[0], right[1]):
                continue
            a, b = s.span(*left), s.span(*right)
            whole = left[0], right[1]
            if w in "+-":
                yield fault(i, i + 1, "-" if w == "+" else "+", "sign")
                yield fault(*whole, a, "addend")
                yield fault(*whole, b if w == "+" else "-(" + b + ")", "addend")
            else:
                yield fault(*whole, a, "factor")
                yield fault(i, i + 1, "/" if w == "*" else "*", "factor")
                if w == "*":
                    yield fault(*whole, b, "factor")
            if w in "-/":
                yield fault(*whole, "(" + b + ") " + w + " (" + a + ")", "operand")
        elif s.is_binary(i) and w in ("+=", "-="):
            yield fault(i, i + 1, "=", "overwrite")
            yield fault(i, i + 1, "-=" if w == "+=" else "+=", "sign")
        elif w == "-" and not token.spaced_after and not s.word(i - 1)[-1:].isalnum() and \
                s.word(i - 1) not in (")", "]"):
            yield fault(i, i + 1, "", "sign")
        elif re.match(r"\d", w):
            yield from numbers(s, i, fault)
        elif w in ("true", "false"):
            yield fault(i, i + 1, "false" if w == "true" else "true", "axis")
        elif w in ("add", "adds", "accumulate", "holds") and s.word(i + 1) not in ("(", "=") and \
                s.word(i - 1) not in ("bool", ".") or w == "accumulate" and s.word(i - 1) == ".":
            begin = i - 2 if s.word(i - 1) == "." else i
            if s.word(begin - 1) != "]":
                end = s.match[i + 1] + 1 if s.word(i + 1) == "[" else i + 1
                if s.word(end) != "=":
                    yield fault(begin, end, "false", "overwrite")
                    yield fault(begin, end, "true", "overwrite")
        elif w in ("back", "front") and s.word(i - 1) == "." and s.word(i + 1) == "(":
            yield fault(i, i + 1, "front" if w == "back" else "back", "axis")
        elif w in ("transposed", "transpose") and s.word(i + 1) == "(":
            if s.word(i - 1) == ".":
                yield fault(i - 1, s.match[i + 1] + 1, "", "axis")
            else:
                yield fault(i, s.match[i + 1] + 1, s.span(i + 1, s.match[i + 1] + 1), "axis")
        elif w in ("sum", "mean") and s.word(i + 1) == "(" and s.word(i - 1) not in (".", "auto"):
            yield fault(i, i + 1, "mean" if w == "sum" else "sum", "factor")
        elif w == "?" and s.is_binary(i):
            yield from choices(s, i, fault)
        elif w == "(" and is_call(s, i):
            yield from swaps(s, i, fault)
        if s.word(i - 1) in (";", "{", "}", ")") and s.outer[i] == "{" and i - 1 not in skipped:
            yield from dropped(s, i, last, fault)
    yield from replaced(s, first, last, skipped, fault)


def numbers(s, i, fault):
    w = s.word(i)
    places = s.word(i - 1) in ("[", "{", ",", "-") and s.word(i - 2) != "return"
    if not re.fullmatch(r"\d+(\.\d*)?(e\d+)?", w):
        return
    if places and w.isdigit():
        if s.word(i - 1) == "-" and s.word(i - 2) in ("{", ",", "("):
            yield fault(i - 1, i + 1, "0", "axis")
        else:
            yield fault(i, i + 1, "1" if w == "0" else "0", "axis")
    else:
        larger = str(int(w) + 1) if w.isdigit() else "2 * " + w
        yield fault(i, i + 1, larger, "factor")


def choices(s, i, fault):
    """c ? a : b becomes a, or b."""
    condition, rest = s.operands(i)
    j, depth = i + 1, 0
    while j < len(s.tokens) and not (s.word(j) == ":" and depth == 0):
        if s.word(j) in OPEN:
            j = s.match[j]
        elif s.word(j) == "?":
            depth += 1
        elif s.word(j) == ":":
            depth -= 1
        elif s.word(j) in CLOSE or s.word(j) == ";":
            return
        j += 1
    end = s.operands(j)[1][1]
    kind = "overwrite" if "add" in s.span(*condition) else "operand"
    yield fault(condition[0], end, s.span(i + 1, j), kind)
    yield fault(condition[0], end, s.span(j + 1, end), kind)


def is_call(s, i):
    before = s.word(i - 1)
    if i not in s.match:
        return False
    if before == ">" and not s.tokens[i - 1].spaced_before:
        return True
    return bool(re.match(r"[A-Za-z_]", before)) and before not in KEYWORDS


def swaps(s, i, fault):
    """Two neighbouring arguments of a call in the wrong order."""
    fields = s.arguments(i)
    for (a, b), (c, d) in zip(fields, fields[1:]):
        if a >= b or c >= d:
            continue
        x, y = s.span(a, b), s.span(c, d)
        if x == y or x in ("op", "T") or any(t in x + y for t in ('"', "](", "primitive")):
            continue
        if "{" in (x[0], y[0]) or "true" in (x, y) or "false" in (x, y):
            continue
        yield fault(a, d, y + ", " + x, "operand")


def dropped(s, i, last, fault):
    """A statement that is left out."""
    if not re.match(r"[A-Za-z_]\w*$|\+\+|--|\*", s.word(i)) or s.word(i) in KEYWORDS - {"return"}:
        return
    if s.word(i - 1) == ")" and s.word(s.match[i - 1] - 1) not in ("if", "for", "while"):
        return
    j = i
    while j < last and s.word(j) != ";":
        if s.word(j) == "{" and s.word(j - 1) == ")" and not re.search(r"\]\(", s.span(i, j + 1)):
            return
        j = s.match[j] if s.word(j) in OPEN else j
        j += 1
    if j >= last:
        return
    text = s.span(i, j)
    if s.word(i) == "return":
        if re.match(r"return (to\[\d\]\.add|add_fused|by_rows|target\.add)", text):
            yield fault(i, j, "return", "addend")
        return
    k = i
    while k < j and s.word(k) not in ("(", "=", "+=", "-=", "|=", "&=", ".", "->", "[", "++", "--"):
        if re.match(r"\w", s.word(k)) and re.match(r"[A-Za-z_]", s.word(k + 1)):
            return  # a declaration
        if s.word(k) in ("<", ">", "&") and re.match(r"[A-Za-z_]", s.word(k + 1)) and \
                s.word(k) != "<":
            return
        k += 1
    yield fault(i, j, "", "overwrite" if re.search(r"fill|zero|settle|covered", text) else "addend")


def replaced(s, first, last, skipped, fault):
    """One operand of a function instead of another of the same type."""
    for begin, end, heading in s.bodies():
        if begin < first or end > last:
            continue
        parameters = {}
        for a, b in s.arguments(heading):
            words = s.span(a, b).split() if a < b else []
            if len(words) > 1 and re.fullmatch(r"\w+", words[-1]):
                parameters.setdefault(" ".join(words[:-1]), []).append(words[-1])
        for names in parameters.values():
            if len(names) < 2:
                continue
            for i in range(begin, end):
                if s.word(i) in names and i not in skipped and s.word(i - 1) not in (".", "->", "::", "]"):
                    other = names[(names.index(s.word(i)) + 1) % len(names)]
                    yield fault(i, i + 1, other, "operand")


def all_faults(path, text, names):
    """Every fault of a file, once each, by position. `names`: which functions besides rules."""
    source = Source(path, text)
    ranges = source.derivatives() if path.endswith("function_list.hpp") else source.rules(names)
    found = {}
    for first, last in ranges:
        for f in faults_of(source, first, last):
            if text[f.begin:f.end].split() != f.text.split():
                found.setdefault((f.begin, f.end, f.text), f)
    return [found[key] for key in sorted(found)]


def shuffled(faults, seed):
    """In random order, with the kinds in turn."""
    rng = random.Random(seed)
    by_kind = {kind: [] for kind in KINDS}
    for f in faults:
        by_kind[f.kind].append(f)
    for each in by_kind.values():
        rng.shuffle(each)
    order = []
    while any(by_kind.values()):
        for kind in KINDS:
            if by_kind[kind]:
                order.append(by_kind[kind].pop())
    return order
