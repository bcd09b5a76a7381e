"""Which Python a predicate may be written in, checked on its syntax tree before anything runs.

What is not listed is refused: there are no imports, no `while`, no classes, no underscored names, no attributes but the
methods of strings, lists, dictionaries, sets, matches and `re`, no formatting (a format string reaches attributes, and
a width fills the memory). What is left ends on its own, or by the limits of the sandbox (`nlparam.runtime.sandbox`).
"""

import ast

from nlparam.errors import NlparamError

_MOST_CHARACTERS, _MOST_NODES, _MOST_DEPTH, _LONGEST_STRING, _LARGEST_NUMBER = 6000, 800, 40, 600, 1_000_000

_NODES = (
    ast.Module, ast.FunctionDef, ast.arguments, ast.arg, ast.Return, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.If,
    ast.For, ast.Break, ast.Continue, ast.Pass, ast.Expr, ast.BoolOp, ast.And, ast.Or, ast.BinOp, ast.Add, ast.Sub,
    ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.BitOr, ast.BitAnd, ast.UnaryOp, ast.Not, ast.USub, ast.UAdd,
    ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn, ast.Is, ast.IsNot, ast.Call,
    ast.keyword, ast.Constant, ast.Name, ast.Load, ast.Store, ast.Attribute, ast.Subscript, ast.Slice, ast.List,
    ast.Tuple, ast.Set, ast.Dict, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.comprehension,
    ast.IfExp, ast.NamedExpr, ast.Lambda,
)  # fmt: skip
_CALLED = """
abs all any bool chr dict divmod enumerate filter float frozenset int isinstance len list map max min ord range
reversed round set sorted str sum tuple zip re
"""
# Of strings; of lists, sets and dictionaries; of re and of its matches.
_METHODS = """
capitalize casefold count endswith find index isalnum isalpha isascii isdecimal isdigit islower isnumeric isspace
istitle isupper join lower lstrip partition removeprefix removesuffix replace rfind rindex rpartition rsplit rstrip
split splitlines startswith strip swapcase title upper

append extend add discard get items keys values union intersection difference issubset issuperset isdisjoint

search match fullmatch findall finditer sub compile escape group groups start end span
I IGNORECASE M MULTILINE S DOTALL U UNICODE A ASCII X VERBOSE
"""
_BUILTINS, _ATTRIBUTES = frozenset(_CALLED.split()), frozenset(_METHODS.split())


class RejectedSource(NlparamError, ValueError):
    """Code that a predicate may not be written in; the message says which part of it."""


def checked_source(source: str) -> str:
    """The source of one function `predicate(text)`, without comments and annotations, if nothing in it is refused.

    The function may have another name and `import re` may stand before it or in it; both are mended. What is returned
    is written from the tree that was checked, so that what runs is what was seen.

    ```pycon
    >>> print(checked_source("import re\\ndef asks(text: str) -> bool:\\n    return bool(re.search(r'[?]', text))"))
    def predicate(text):
        return bool(re.search('[?]', text))
    >>> checked_source("def predicate(text):\\n    return text.__class__")
    Traceback (most recent call last):
    nlparam.denotation.computed.whitelist.RejectedSource: the attribute '__class__' is not allowed

    ```

    Raises `RejectedSource`.
    """
    if len(source) > _MOST_CHARACTERS:
        raise RejectedSource(f"got {len(source):,} characters, expected at most {_MOST_CHARACTERS:,}")
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise RejectedSource(f"this is not Python: {error}") from error
    body = [node for node in tree.body if not _imports_re(node) and not _is_text(node)]
    if len(body) != 1 or not isinstance(function := body[0], ast.FunctionDef):
        raise RejectedSource(f"got {len(body)} statements at the top, expected one function `predicate(text)`")
    arguments = function.args
    extra = arguments.posonlyargs or arguments.kwonlyargs or arguments.vararg or arguments.kwarg or arguments.defaults
    if len(arguments.args) != 1 or extra or function.decorator_list:
        raise RejectedSource("expected a function of one argument, the text, without a decorator")
    function.name, function.returns, arguments.args[0].annotation = "predicate", None, None
    function.body = [node for node in function.body if not _imports_re(node) and not _is_text(node)] or [ast.Pass()]
    tree = ast.Module(body=[function], type_ignores=[])
    nodes = list(ast.walk(tree))
    if len(nodes) > _MOST_NODES or _depth(tree) > _MOST_DEPTH:
        raise RejectedSource(f"the function is too large: at most {_MOST_NODES} nodes, {_MOST_DEPTH} deep")
    known = _BUILTINS | {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    known |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    for node in nodes:
        _check(node, function, known)
    return ast.unparse(ast.fix_missing_locations(tree))


def _check(node: ast.AST, function: ast.FunctionDef, known: frozenset[str] | set[str]) -> None:
    if not isinstance(node, _NODES):
        raise RejectedSource(f"{type(node).__name__} is not allowed")
    if isinstance(node, ast.FunctionDef) and node is not function:
        raise RejectedSource("a function inside the function is not allowed")
    if isinstance(node, ast.Attribute):
        if node.attr not in _ATTRIBUTES or not isinstance(node.ctx, ast.Load):
            raise RejectedSource(f"the attribute {node.attr!r} is not allowed")
    elif isinstance(node, ast.Name):
        if node.id.startswith("__") or node.id not in known:
            raise RejectedSource(f"the name {node.id!r} is not allowed")
        if isinstance(node.ctx, ast.Store) and node.id in _BUILTINS:
            raise RejectedSource(f"the name {node.id!r} cannot be given to something else")
    elif isinstance(node, ast.arg):
        if node.arg.startswith("__") or node.arg in _BUILTINS:
            raise RejectedSource(f"the argument {node.arg!r} is not allowed")
    elif isinstance(node, ast.Constant):
        _check_constant(node.value)
    elif (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod) and _may_be_text(node.left)) or (
        isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Mod)
    ):
        raise RejectedSource("formatting with % is not allowed")


def _check_constant(value: object) -> None:
    if isinstance(value, str):
        if len(value) > _LONGEST_STRING:
            raise RejectedSource(f"a string of {len(value)} characters: expected at most {_LONGEST_STRING}")
    elif isinstance(value, bool) or value is None:
        pass
    elif not isinstance(value, int | float) or abs(value) > _LARGEST_NUMBER:
        raise RejectedSource(f"the constant {str(value)[:40]} is not allowed")


def _may_be_text(node: ast.AST) -> bool:
    # len(text) % 2 is arithmetic; what is not plainly a number could be a string.
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id not in ("len", "sum", "int", "ord", "abs", "round")
    return not (isinstance(node, ast.Constant) and not isinstance(node.value, str))


def _imports_re(node: ast.AST) -> bool:
    return isinstance(node, ast.Import) and [(alias.name, alias.asname) for alias in node.names] == [("re", None)]


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _depth(tree: ast.AST) -> int:
    deepest, level = 0, [tree]
    while level:
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        deepest += 1
    return deepest
