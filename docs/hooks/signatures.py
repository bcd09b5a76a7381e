"""Shows functions with `**asked` by the signature that Python gives of them: every option by its name and default."""

import importlib
import inspect

import griffe

_KEYWORD = griffe.ParameterKind.keyword_only


class Signatures(griffe.Extension):
    """Replaces the variable keyword of what is decorated by `nlparam.denotation.session.accepts`."""

    def on_function(self, *, func: griffe.Function, **_) -> None:
        if not any(str(decorator.value).startswith("accepts(") for decorator in func.decorators):
            return
        found = importlib.import_module(func.module.path)
        for name in func.path.removeprefix(f"{func.module.path}.").split("."):
            found = getattr(found, name)
        own = {one.name: one for one in func.parameters if one.kind is not griffe.ParameterKind.var_keyword}
        shown = []
        for name, one in inspect.signature(found).parameters.items():
            annotation = inspect.formatannotation(one.annotation) if one.annotation is not one.empty else None
            default = None if one.default is one.empty else repr(one.default)
            shown.append(own.get(name) or griffe.Parameter(name, annotation=annotation, kind=_KEYWORD, default=default))
        func.parameters = griffe.Parameters(*shown)
