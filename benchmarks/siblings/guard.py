"""A guard from three harmless rules (`guard.yaml`), with the real 1.5B model; about half an hour on one core.

Its texts and judgments are stored, so that another run asks for nothing. `NLPARAM_GUARD_LM` names another language
model than `native`.
"""

import asyncio
import dataclasses
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.commands import serving
from nlparam.corpus.datasets import load_dataset
from nlparam.denotation.session import Session
from nlparam.guard import Benign, Guard, Plan, load, read_constitution, train
from nlparam.guard.evaluation import Evaluation, evaluate, held_out_attacks, read_attacks
from nlparam.guard.obfuscation import canonical
from nlparam.guard.proxy import Proxy
from nlparam.guard.windows import looks_of
from nlparam.lm import load_language_model
from tests.helpers.guard_client import Client, reasons_of, text_of

_HERE = Path(__file__).parent
# English mostly: the German and the French of so small a model can hardly be read.
PLAN = Plan(
    n_per_rule=8,
    n_held_out=6,
    languages=("English", "English", "English", "English", "Spanish"),
    held_out_languages=("English", "English", "English", "English", "French"),
    held_out_obfuscations=("homoglyphs", "base64", "typos"),
)
MAX_REFUSALS = 0.005
_N_WORDS = 100  # of a BBC article: as long as a message and a short answer
_N_TEST = 1000
_N_CLIENTS = 50
Case = TypeVar("Case", bound=Any)
_AUROCS = ("auroc", "auroc_knn", "auroc_zero_shot")


def measure() -> dict[str, Any]:
    """Trains, evaluates on held-out styles, on texts written by hand, and on BBC news, and serves 50 clients.

    **Returns:** `auroc` on held-out styles with `auroc_knn` and `auroc_zero_shot` of the same texts (the judge chose
    these texts: what it disagreed with was dropped, so the zero-shot figure is flattered); `undisguised` the same
    without the copies in disguise, and `auroc_knn_canonical` with nearest neighbours that see the canonical forms which
    the guard sees; `written` the same on texts that were written by hand, whose labels no model has touched; `refusals`
    on 1,000 BBC articles that the guard has not seen, with the target; `overhead` as a share of generating 100 tokens;
    `proxy`.
    """
    texts = [" ".join(text.split()[:_N_WORDS]) for text in load_dataset("bbc").texts]
    _, benign = Benign.from_texts(texts).split(0, seed=0)
    test, training = benign.take(range(_N_TEST)), benign.take(range(_N_TEST, len(benign)))
    lm = load_language_model(os.environ.get("NLPARAM_GUARD_LM", "native"), timeout=900)
    with tempfile.TemporaryDirectory() as folder, Session(lm=lm, timeout=900) as session:
        store = session.store
        start = time.perf_counter()
        options = {"plan": PLAN, "lm": lm, "max_refusals": MAX_REFUSALS, "store": store, "timeout": 900}
        train(read_constitution(_HERE / "guard.yaml"), training, out=folder, **options)
        guard = load(folder)
        seconds = time.perf_counter() - start
        print(json.dumps({"training_seconds": round(seconds), "counts": guard.counts}), flush=True)
        judge = session.judge(n_words=80)
        held_out = evaluate(guard, test, judge=judge, engine=session.engine, store=store)
        print(json.dumps(held_out.as_dict()), flush=True)
        found = held_out_attacks(guard)
        plain = [attack for attack in found if attack.style not in PLAN.held_out_obfuscations]
        as_they_are = evaluate(guard, attacks=plain, judge=judge, store=store)
        seeing_through = dataclasses.replace(guard, examples=undisguised(guard.examples))
        canonical_knn = evaluate(seeing_through, attacks=undisguised(found), store=store)
        attacks = read_attacks(_HERE / "guard_written.jsonl")
        written = evaluate(guard, attacks=attacks, judge=judge, store=store)
    return {
        "training_seconds": seconds,
        "counts": guard.counts,
        **figures(held_out),
        "undisguised": {name: getattr(as_they_are, name) for name in _AUROCS} | {"n": len(plain)},
        "auroc_knn_canonical": canonical_knn.auroc_knn,
        "written": {name: written.as_dict()[name] for name in (*_AUROCS, "rules", "permitted")},
        "proxy": asyncio.run(serve_clients(guard, list(test.outputs))),
    }


def figures(held_out: Evaluation) -> dict[str, Any]:
    """What the evaluation on held-out styles says."""
    assert held_out.refusals is not None
    kept, off = held_out.as_dict(), 100 * (held_out.refusals.rate - MAX_REFUSALS)
    names = (*_AUROCS, "released", "rules", "styles", "permitted", "overhead")
    return {name: kept[name] for name in names} | {
        "refusals": kept["refusals"] | {"target": MAX_REFUSALS, "points_off": off}
    }


def undisguised(cases: Iterable[Case]) -> tuple[Case, ...]:
    """Training texts or attacks in their canonical forms: for nearest neighbours that see what the guard sees."""
    return tuple(dataclasses.replace(case, text=canonical(case.text)) for case in cases)


async def serve_clients(guard: Guard, benign: list[str], *, n_clients: int = _N_CLIENTS) -> dict[str, Any]:
    """Streams to many clients at once, through the proxy and past it, from a scripted upstream in a process.

    Every other answer has a restricted text in its middle. A stream is correct if it has all chunks whose text the
    screen has passed and none after, and ends as it should; what should pass is computed by the screen alone.
    """
    import aiohttp
    from aiohttp import web

    restricted = [
        e.text for e in guard.examples if e.restricted and e.role == "output" and not (e.dropped or e.obfuscation)
    ]
    answers = []
    for number in range(n_clients):
        before, after = benign[2 * number], benign[2 * number + 1]
        answers.append(f"{before} {restricted[number % len(restricted)]} {after}" if number % 2 else before)

    async def ask(session: aiohttp.ClientSession, url: str, say: str) -> tuple[str, str | None, float]:
        """The text, why it ended, and the seconds."""
        start, question = time.perf_counter(), "Please summarise what happened yesterday."
        events = await Client(session, url, proxy).stream(before=question, say=" ".join(say.split()), delay=0.01)
        return text_of(events), next(iter(reasons_of(events)), None), time.perf_counter() - start

    with serving("benchmarks.siblings._upstream") as (_, upstream):
        proxy = Proxy(guard, upstream)
        runner = web.AppRunner(proxy.app(), access_log=None, handler_cancellation=True)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        guarded = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            plain = await asyncio.gather(*(ask(session, upstream, answer) for answer in answers))
            screened = await asyncio.gather(*(ask(session, guarded, answer) for answer in answers))
        await runner.cleanup()
    right = [said[:2] == expected(guard, " ".join(a.split())) for a, said in zip(answers, screened, strict=True)]
    whole = [
        (with_guard[2], bare[2]) for with_guard, bare in zip(screened, plain, strict=True) if with_guard[1] == "stop"
    ]
    return {
        "clients": n_clients,
        "correct": sum(right),
        "cut": sum(reason == "content_filter" for _, reason, _ in screened),
        "seconds_unguarded": statistics.median(without for _, without in whole),
        "seconds_guarded": statistics.median(with_guard for with_guard, _ in whole),
    } | proxy.counts


def expected(guard: Guard, answer: str) -> tuple[str, str]:
    """What a client should get of an answer that comes word by word, and why it should end."""
    passed = 0
    looks = looks_of(answer)
    scores = guard.screen.window_scores([look.window for look in looks], "output").max(axis=1)
    for look, score in zip(looks, scores, strict=True):
        if score > guard.threshold.value:
            words = answer.split(" ")
            kept = [n for n in range(len(words) + 1) if len(" ".join(words[:n])) <= passed]
            return " ".join(words[: kept[-1]]), "content_filter"
        passed = look.n_characters
    return answer, "stop"
