"""Parses the public declarations of a header, as far as this project's style requires."""
import re
from dataclasses import dataclass, field


@dataclass
class Entry:
    """Declarations with a common comment; without declarations: a separate comment."""
    names: dict  # name: kind, of function, class, enum, alias, constant, concept
    code: list  # lines to show
    comment: str = ""


@dataclass
class Item:
    comment: list
    code: str
    trailing: str = ""
    joined: bool = False  # follows the item before without a blank line


def clean(code):
    """A signature for readers: without the operation's name and with plain types."""
    code = re.sub(r"std::type_identity_t<((?:[^<>]|<(?:[^<>]|<[^<>]*>)*>)*)>", r"\1", code)
    code = re.sub(r",?\s*(?:const )?Op&? op(?: = [^,)]*)?(?=\s*\))", "", code)
    code = re.sub(r",?\s*Where where = Where::current\(\)", "", code)
    code = re.sub(r",?\s*const OutputSlot<T>& place = \{\}", "", code)
    code = code.replace("const detail::AnyPlaced<T>&", "const Operand&").replace("const detail::NumberPlaced<T>&", "Number")
    code = re.sub(r"requires (?:OperandOf<T, \w>(?: && )?)+ ?|requires std::same_as<V, Variable<T>> ", "", code)
    operands = re.match(r"template <[^\n]*class T = (?:typename \w::value_type|scalar_t<A, B>)>\s*|template <Operand \w>\s*", code)
    if operands:
        code = re.sub(r"const [ABX]& ", "const Operand& ", code[operands.end():]).replace("(V& a", "(Variable<T>& a")
        code = code.replace("V& operator", "Variable<T>& operator")
    if code.startswith("inline "):
        code = re.sub(r"\n {7}", "\n", code.removeprefix("inline "))
    return re.sub(r"[ \t]+\n", "\n", code).strip()


class Parser:
    def __init__(self, text):
        self.text = text

    # ---- items: a comment and its declarations ----

    def items(self, text):
        at, comment, blank, found = 0, [], True, []
        while at < len(text):
            space = re.compile(r"[ \t]*\n?").match(text, at)
            line_end = text.find("\n", at) + 1 or len(text)
            line = text[at:line_end]
            if not line.strip():
                if comment:
                    found.append(Item(comment, ""))
                    comment = []
                blank, at = True, line_end
                continue
            if line.lstrip().startswith("//"):
                comment.append(line.strip()[2:].removeprefix(" "))
                at = line_end
                continue
            if line.lstrip().startswith("#"):
                while text[at:line_end].rstrip().endswith("\\"):
                    line_end = text.find("\n", line_end) + 1 or len(text)
                at, comment = line_end, []
                continue
            if re.match(r"\s*[A-Z][A-Z_]+\([^;]*\)\s*$", line) or re.match(r"\s*(public|private|protected):", line):
                if line.strip().endswith(":"):
                    found.append(Item([], line.strip()))
                at, comment = line_end, []
                continue
            end = self.end_of(text, at)
            line_end = text.find("\n", end) + 1 or len(text)
            rest = text[end:line_end].strip()
            trailing = ""
            if rest.startswith("//"):
                trailing, end = rest[2:].strip(), line_end
            elif not rest:
                end = line_end
            found.append(Item(comment, text[at:end - 1 if trailing else end].split("//" + " " + trailing)[0]
                              if trailing else text[at:end], trailing, not blank and not comment))
            comment, blank, at = [], False, end
        if comment:
            found.append(Item(comment, ""))
        return found

    @staticmethod
    def skip(text, at):
        """The position after a comment, string or character at `at`, or `at` itself."""
        if text.startswith("//", at):
            return text.find("\n", at)
        if text[at] == '"':
            end = at + 1
            while text[end] != '"':
                end += 2 if text[end] == "\\" else 1
            return end + 1
        if text[at] == "'" and re.match(r"'(\\.|[^'\\])'", text[at:]):
            return at + re.match(r"'(\\.|[^'\\])'", text[at:]).end()
        return at

    @classmethod
    def matching(cls, text, at):
        """The position after the bracket that closes the one at `at`."""
        depth = 0
        while True:
            past = cls.skip(text, at)
            if past != at:
                at = past
                continue
            depth += (text[at] in "({[") - (text[at] in ")}]")
            at += 1
            if depth == 0:
                return at

    def end_of(self, text, begin):
        """The end of the declaration that begins at `begin`."""
        at = begin
        while at < len(text):
            past = self.skip(text, at)
            if past != at:
                at = past
                continue
            if text[at] == ";":
                return at + 1
            if text[at] in "([":
                at = self.matching(text, at)
            elif text[at] == "{":
                head = text[begin:at]
                at = self.matching(text, at)
                if re.match(r"\s*(inline )?namespace\b", head):
                    return at
                if re.search(r"requires\s*(\([^{}]*\))?\s*$", head) or "=" in self.own(head):
                    continue
                if re.search(r"(^|\n|\s)(class|struct|enum|union)\b[^()]*$", self.without_template(head)):
                    continue
                return at
            else:
                at += 1
        return at

    @staticmethod
    def own(head):
        """The head without the contents of brackets."""
        text = Parser.without_template(head)
        while True:
            shorter = re.sub(r"\([^()]*\)|\[[^\[\]]*\]", "", text)
            if shorter == text:
                return re.sub(r"operator\S*|[<>!=]=", "", text)
            text = shorter

    @staticmethod
    def without_template(code):
        code = code.lstrip()
        while code.startswith("template"):
            depth = 0
            for i, c in enumerate(code):
                depth += (c == "<") - (c == ">")
                if c == ">" and depth == 0:
                    code = code[i + 1:].lstrip()
                    break
        return code

    # ---- entries ----

    def parse(self):
        return self.entries(self.text, "")

    def entries(self, text, space):
        found, last = [], None
        for item in self.items(text):
            code = item.code.strip()
            if item.comment and item.comment[0].startswith("----"):
                if "implementation" in item.comment[0]:
                    break
                continue
            if not code:
                if item.comment and space:
                    if not item.comment[0].startswith("The same for tensors"):
                        found.append(Entry({}, [], self.prose(item.comment)))
                continue
            match = re.match(r"(?:inline )?namespace ([\w:]*)\s*\{", code)
            if match:
                name = match[1]
                if name.endswith("detail") or name in ("xt", ""):
                    continue
                if item.comment:
                    found.append(Entry({}, [], self.prose(item.comment)))
                inner = (space + "::" if space else "") + name
                found += self.entries(code[code.index("{") + 1:-1], inner)
                last = None
                continue
            entry = self.entry(item, code)
            if entry is None:
                if not item.joined:
                    last = None
                continue
            prefix = space.removeprefix("unroll").removeprefix("::")
            if prefix:
                entry.names = {f"{prefix}::{name}": kind for name, kind in entry.names.items()}
            # Declarations without a comment or a blank line belong to the item above.
            if last is not None and item.joined:
                is_function = "function" in (*last.names.values(), *entry.names.values())
                if "class" in last.names.values() and is_function or last.names.keys() & entry.names.keys() \
                        or set(last.names.values()) == set(entry.names.values()):
                    last.code += entry.code
                    last.names |= entry.names
                    continue
            found.append(entry)
            last = entry
        return found

    def entry(self, item, code):
        head = self.without_template(code)
        if re.match(r"(extern|friend|static_assert|explicit template|template struct|template class)\b", head):
            return None
        if "TensorOperand" in code.split("{")[0] or re.search(r"requires\s*\(!", code.split("{")[0]):
            return None
        comment = self.prose(item.comment)
        kind = re.match(r"(class|struct|enum(?: class)?|union)\s+(?:\[\[\w+\]\]\s*)?([\w:<>, ]+?)\s*(?:final\s*)?(?::|\{|;)", head)
        if kind:
            name = kind[2]
            # Of a class for types of a concept, the specialisation is what users see.
            constrained = re.match(r"template <(?!class )\w+ (\w+)>", code)
            if constrained and name.endswith(f"<{constrained[1]}>"):
                code, name = code.replace(name, name.split("<")[0], 1), name.split("<")[0]
            if "{" not in head or "<" in name or "::" in name:
                return None # a declaration, or a specialisation
            return Entry({name: "enum" if kind[1].startswith("enum") else "class"}, self.body(code), comment)
        if head.startswith("using ") and "=" in head:
            return Entry({re.match(r"using (\w+)", head)[1]: "alias"}, self.lines(code), comment)
        if head.startswith("using "):
            return None
        if head.startswith("concept "):
            return Entry({re.match(r"concept (\w+)", head)[1]: "concept"}, self.lines(code), comment)
        name = self.function_name(head)
        if name is None:
            match = re.match(r"(?:inline |static |extern |thread_local )*(?:constexpr|const|thread_local|constinit).*?(\w+)\s*(?:=|\{|;|\()", head, re.S)
            return Entry({match[1]: "constant"}, self.lines(code), comment) if match else None
        if "::" in name:
            return None # defined outside its class
        return Entry({name: "function"}, self.lines(self.signature(code)), comment)

    @staticmethod
    def function_name(head):
        text = re.sub(r"requires\s+[^()]*?(?=\b\w+(<[^<>]*>)?\s)", "", head, count=0)
        match = re.search(r"(operator\s*(?:\(\)|\[\]|[^\s\w(]+|bool)|[\w:~]+)\s*\(", Parser.cut(text))
        return match[1] if match else None

    @staticmethod
    def cut(head):
        """The declarator: without a requires clause in brackets and decltype."""
        head = re.sub(r"requires\s*\((?:[^()]|\([^()]*\))*\)\s*", "", head)
        return re.sub(r"decltype\s*\([^()]*\)", "", head)

    def signature(self, code):
        """A function's declaration without its body."""
        at = code.find("(", re.search(r"operator\s*\(\)|$", code).end() if "operator()" in code else 0)
        begin = 0
        while at < len(code):
            if code[at] == '"':
                at = self.skip(code, at)
            elif code[at] in "([":
                at = self.matching(code, at)
            elif code[at] == "{":
                head = code[:at]
                if re.search(r"requires\s*(\([^{}]*\))?\s*$", head) or head.rstrip().endswith("="):
                    at = self.matching(code, at)
                else:
                    return self.without_initialisers(head.rstrip()) + ";"
            elif code[at] == ";":
                return self.without_initialisers(code[:at].rstrip()) + ";"
            else:
                at += 1
        return code

    @staticmethod
    def without_initialisers(head):
        return re.sub(r"\)\s*:(?!:)\s*\w.*$", ")", head, flags=re.S)

    def lines(self, code):
        code = clean(code)
        code = re.sub(r"^(template <[^\n]*>)\s*\n\s*", r"\1 ", code) if code.startswith("template <class T>\n") else code
        return [line for line in code.removeprefix("template <class T> ").removeprefix("template <class T = float> ").splitlines()]

    def body(self, code):
        """A class for users: the public members, without bodies."""
        begin = code.index("{")
        head = code[:begin].strip()
        depth_end = self.matching(code, begin)
        inner = code[begin + 1:depth_end - 1]
        if re.match(r"enum", self.without_template(head)):
            return code.strip().splitlines()
        public = not re.search(r"(^|\s)class\s", self.without_template(head)[:6] + " ")
        lines, blank = [], False
        for item in self.items(inner):
            text = item.code.strip()
            if re.fullmatch(r"(public|private|protected):", text):
                public = text == "public:"
                continue
            if not public or re.match(r"friend |template <class[^>]*>\s*friend |static_assert", text):
                continue
            if re.search(r"\bmembers\(Members<T>&( m)?\)", text) or re.match(r"using \w+ = T;|using T = |using value_type|using unroll::|using typename|using View::|using Semantic", text):
                continue
            if "= delete" in text or text.startswith("~"):
                continue
            if not text:
                lines += ["", *("    // " + line for line in item.comment)] if item.comment else []
                if item.comment and item.comment[0].startswith("----"):
                    break
                continue
            nested = re.match(r"(struct|class|enum)\b", self.without_template(text)) and "{" in text
            if not nested and "(" in text and "=" not in self.own(text.split("(")[0]):
                text = self.signature(text)
            if nested and not text.startswith("enum"):
                text = "\n".join(self.body(text))
            lines += ["    // " + line for line in item.comment]
            shown = clean(text).splitlines()
            shown = [shown[0], *(line.removeprefix("    ") for line in shown[1:])]
            if item.trailing:
                shown[-1] += " // " + item.trailing
            lines += ["    " + line for line in shown]
        while lines and not lines[0].strip():
            lines.pop(0)
        return [*(head + " {").splitlines(), *lines, "};"]

    @staticmethod
    def prose(comment):
        """A comment as Markdown: indented lines are code."""
        out, code = [], False
        for line in comment:
            if line.startswith("  ") and line.strip():
                if not code:
                    out.append("```text")
                code = True
                out.append(line[2:])
                continue
            if code:
                out.append("```")
                code = False
            out.append(line)
        if code:
            out.append("```")
        return "\n".join(out)
