"""The worker process, `python -I -S -B worker.py`: it reads requests and writes answers, a line of JSON each.

The first line holds its settings. It then confines itself (`confine.py`), says what took effect, and serves:

- `{"do": "texts", "texts": [...]}` keeps texts;
- `{"do": "predicate", "source": ..., "reverse": false}` calls the function `predicate` of the source on each of them;
- `{"do": "problem", "context": ..., "solution": ...}` runs a solution against the tests of a problem (of DS-1000).

An answer repeats `to` of its request. Standard input, output and error of the code that runs are `/dev/null`.
"""

import json
import os
import runpy
import sys
import time


def main():
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    os.close(nowhere)

    def answer(value, to):
        answers.write(json.dumps({"to": to} | value).encode() + b"\n")
        answers.flush()

    settings = json.loads(requests.readline())
    if settings["folder"] is not None:
        os.chdir(settings["folder"])
        os.environ |= dict.fromkeys(("HOME", "TMPDIR", "MPLCONFIGDIR", "XDG_CACHE_HOME"), settings["folder"])
        # One thread each: a hundred problems at once would start a thousand.
        os.environ |= {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM")}
        os.environ |= {"MPLBACKEND": "Agg", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
        sys.path += settings["path"]
    builtins = _builtins()
    _warm()
    confine = runpy.run_path(os.path.join(os.path.dirname(os.path.abspath(__file__)), "confine.py"))["confine"]
    answer({"ready": confine(settings)}, settings["to"])
    texts = []
    for line in requests:
        request = json.loads(line)
        try:
            if request["do"] == "texts":
                texts, said = request["texts"], {}
            elif request["do"] == "predicate":
                said = _predicate(request["source"], texts, builtins, reverse=request["reverse"])
            else:
                said = _problem(request["context"], request["solution"])
        except MemoryError:
            said = {"error": "MemoryError: too much memory"}
        except BaseException as error:
            said = {"error": _described(error)}
        answer(said, request["to"])


def _warm():
    """Imports what cannot be opened any more once the process is confined."""
    import collections  # noqa: F401
    import encodings.ascii
    import encodings.latin_1  # noqa: F401
    import re
    import unicodedata  # noqa: F401

    re.compile(r"(?i)\bwarm\w+ä", re.UNICODE).search("warm")


def _builtins():
    """What a predicate may call. `re` is a copy of the functions, so that nothing can be reached through the module."""
    import builtins
    import re
    import types

    names = (
        "abs all any bool chr dict divmod enumerate filter float frozenset int isinstance len list map max min ord "
        "range reversed round set sorted str sum tuple zip True False None"
    )
    allowed = {name: getattr(builtins, name) for name in names.split()}
    functions = ["search", "match", "fullmatch", "findall", "finditer", "split", "sub", "compile", "escape"]
    flags = ["I", "IGNORECASE", "M", "MULTILINE", "S", "DOTALL", "U", "UNICODE", "A", "ASCII", "X", "VERBOSE"]
    allowed["re"] = types.SimpleNamespace(**{name: getattr(re, name) for name in functions + flags})
    return allowed


def _predicate(source, texts, builtins, *, reverse):
    scope: dict = {"__builtins__": dict(builtins), "__name__": "predicate"}
    exec(compile(source, "<predicate>", "exec"), scope)
    function = scope["predicate"]
    values: list = [None] * len(texts)
    failed, last = 0, None
    # Processor time of this process: a busy machine must not make a function look slow.
    started = time.process_time()
    for index in reversed(range(len(texts))) if reverse else range(len(texts)):
        try:
            value = function(texts[index])
        except Exception as error:
            failed, last = failed + 1, _described(error)
            continue
        if value is True or value is False:
            values[index] = int(value)
        else:
            failed, last = failed + 1, f"TypeError: got {type(value).__name__}, expected True or False"
    return {"values": values, "failed": failed, "last": last, "seconds": time.process_time() - started}


def _problem(context, solution):
    """The tests of a problem: `test_execution` and, where there is one, `test_string`, each with its own verdict."""
    import warnings

    warnings.simplefilter("ignore")
    scope: dict = {"__name__": "problem"}
    exec(compile(context, "<tests>", "exec"), scope)
    if "test_execution" not in scope:
        return {"error": "NoTests: the tests define no test_execution"}
    verdict: dict = {"surface": None, "error": None}
    if "test_string" in scope:
        try:
            scope["test_string"](solution)
            verdict["surface"] = True
        except BaseException as error:
            verdict |= {"surface": False, "surface_error": _described(error)}
    try:
        scope["test_execution"](solution)
        verdict["functional"] = True
    except BaseException as error:
        verdict |= {"functional": False, "error": _described(error)}
    return verdict


def _described(error):
    try:
        return f"{type(error).__name__}: {error}"[:300]
    except BaseException:
        return "an error that cannot be described"


if __name__ == "__main__":
    main()
    os._exit(0)
