"""Explanations with planted flaws, put to the test: does the measure order them, and do its intervals cover?

Fifty pairs of a true explanation and a flawed one, over five worlds in which a rule decides: too broad (it leaves out
a condition), wrong (another rule), vacuous (nothing follows from it). A pair is in order if the flawed explanation has
less precision, a vacuous one less generality by each of the three similarities, compared by their lower limits: an
oracle that errs makes something of a vacuous explanation now and then. It misreads a tenth of the inputs, and the model
that is explained breaks its rule for one input in twenty.

`python -m benchmarks.siblings.simulatability --lm native --pairs 12` has a language model write and read instead, while
the rule still answers.
"""

import dataclasses
import hashlib
import itertools
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np

import nlparam
from benchmarks.commands import command, read_yaml, timed
from benchmarks.simulated import share
from nlparam.evals.simulatability import Explanation, Simulated
from nlparam.lm.base import Request
from nlparam.numerics.statistics.simulation import Measured, generality, mean, precision
from nlparam.testing import ScriptedEmbedder, ScriptedModel


class Property(NamedTuple):
    """How an input says that a property holds and that it does not, how an explanation says so, and two patterns.

    A language model that writes inputs has words of its own. `fails` finds what says that the property does not hold;
    in what is left, `holds` finds what says that it does.
    """

    yes: str
    no: str
    said: str
    holds: str
    fails: str


@dataclasses.dataclass(frozen=True)
class World:
    """Inputs about a subject, with three properties that hold or not, of which two decide."""

    task: str
    frame: str
    subjects: Sequence[str]
    properties: tuple[Property, ...]
    verdict: str
    vacuous: str

    def text(self, subject: str, held: Sequence[bool]) -> str:
        said = (one.yes if holds else one.no for one, holds in zip(self.properties, held, strict=True))
        return self.frame.format(subject, *said)

    def read(self, text: str) -> tuple[bool | None, ...]:
        """The properties as a text states them: `None` where it states neither, or both."""
        held = []
        for one in self.properties:
            left, n_fails = re.subn(one.fails, " ", text, flags=re.IGNORECASE)
            holds = re.search(one.holds, left, re.IGNORECASE) is not None
            held.append(None if holds == (n_fails > 0) else holds)
        return tuple(held)

    def decided(self, text: str, decides: Sequence[int]) -> bool:
        """Whether a text says of all the properties that decide that they hold; what it does not say does not."""
        held = self.read(text)
        return all(held[number] is True for number in decides)


def _read(path: Path) -> tuple[World, ...]:
    return tuple(
        World(**world | {"properties": tuple(Property(**one) for one in world["properties"])})
        for world in read_yaml(path)
    )


WORLDS = _read(Path(__file__).with_name("worlds.yaml"))


_MISREAD, _BROKEN = 0.10, 0.05
_CANNOT = "this cannot be inferred from the explanation"


FLAWS = ("broad", "wrong", "vacuous")
Rule = Callable[[tuple[bool | None, ...]], bool]


@dataclasses.dataclass(frozen=True)
class Pair:
    """A true explanation of the rule "both of two properties" and a flawed one, of the same input."""

    world: World
    flaw: str
    true: Explanation
    flawed: Explanation
    decides: tuple[int, int]

    def answer(self, text: str) -> str:
        """What the rule answers."""
        return "yes" if self.world.decided(text, self.decides) else "no"


def planted_pairs(n_pairs: int) -> list[Pair]:
    """Pairs in turn over the flaws, the worlds, and which two of the three properties decide."""
    pairs = []
    rng = np.random.default_rng(0)
    turns = itertools.product(itertools.combinations(range(3), 2), WORLDS, FLAWS)
    for number, (decides, world, flaw) in zip(range(n_pairs), itertools.cycle(turns), strict=False):
        said = [world.properties[k].said for k in decides]
        left_out = next(k for k in range(3) if k not in decides)
        flawed = {
            "broad": f"{world.verdict} {said[number % 2]}.",
            "wrong": f"{world.verdict} it is not so that {world.properties[left_out].said}.",
            "vacuous": world.vacuous,
        }[flaw]
        text = world.text(str(rng.choice(world.subjects)), [True, True, True])
        rows = [Explanation(text, "yes", e, ("yes", "no")) for e in (f"{world.verdict} {' and '.join(said)}.", flawed)]
        pairs.append(Pair(world, flaw, rows[0], rows[1], decides))
    return pairs


def _followed(explanation: str, world: World) -> Rule | None:
    """What a reader takes the explanation to say, `None` if nothing follows from it."""
    if explanation == world.vacuous:
        return None
    named = [k for k, one in enumerate(world.properties) if one.said in explanation]
    wanted = "it is not so that" not in explanation
    return lambda held: all(held[k] == wanted for k in named)


class Oracle:
    """Writes counterfactuals that vary what an explanation names, and reads explanations, with errors."""

    def __call__(self, request: Request) -> Any:
        prompt = request.messages[-1].content
        world = next(world for world in WORLDS if world.task in prompt)
        if request.labels is None:
            return self._write(prompt, world, request.seed)
        explanation = _between(prompt, "how it answers:\n", "\n")
        text = _between(prompt, "New input:\n", "\n")
        options = dict(re.findall(r"^([A-T])\. (.*)$", prompt, re.MULTILINE))
        followed, held = _followed(explanation, world), world.read(text)
        said = _CANNOT if followed is None or None in held else ("yes" if followed(held) else "no")
        if share("read", explanation, text) < _MISREAD:
            others = [option for option in options.values() if option != said]
            said = others[int(share("one", explanation, text) * len(others))]
        right = next(letter for letter, option in options.items() if option == said)
        return {letter: 0.9 if letter == right else 0.1 / (len(options) - 1) for letter in options}

    def _write(self, prompt: str, world: World, seed: int) -> str:
        n_asked = int(_between(prompt, "Write ", " variants"))
        # What is asked of the writer stands behind the explanation.
        explanation, other = prompt.rpartition("Explanation: ")[2].partition("\n")[0], "another answer" in prompt
        followed = _followed(explanation, world)
        digest = hashlib.sha256(f"{prompt} {seed}".encode()).digest()
        rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
        every = list(itertools.product((True, False), repeat=3))
        fitting = [held for held in every if followed is None or followed(held) != other]
        drawn = [fitting[rng.integers(len(fitting))] for _ in range(n_asked)]
        return json.dumps([world.text(str(rng.choice(world.subjects)), held) for held in drawn])


def ordered(flaw: str, true: Simulated, flawed: Simulated) -> bool:
    """Whether the measure that the flaw concerns puts the flawed explanation below the true one."""
    if flaw == "vacuous":
        return all(flawed.generality[name].sure < true.generality[name].sure for name in true.generality)
    return flawed.precision.sure < true.precision.sure


def order_pairs(
    pairs: Sequence[Pair], *, lm: Any, n_counterfactuals: int, out: Path | None = None, **options: Any
) -> dict[str, Any]:
    """Puts both explanations of each pair to the test and counts the pairs in order."""
    in_order: dict[str, list[bool]] = {flaw: [] for flaw in FLAWS}
    tested: dict[str, list[Simulated]] = {"true": []} | {flaw: [] for flaw in FLAWS}
    for number, pair in enumerate(pairs):
        options |= {"task": pair.world.task, "n_counterfactuals": n_counterfactuals}
        options["model"] = lambda texts, pair=pair: [_noisy(pair, text) for text in texts]
        found = nlparam.simulate([pair.true, pair.flawed], lm=lm, **options)
        if out is not None:
            found.save(out / f"{number}-{pair.flaw}.json")
        true, flawed = found.simulated
        in_order[pair.flaw].append(ordered(pair.flaw, true, flawed))
        tested["true"].append(true)
        tested[pair.flaw].append(flawed)
        if isinstance(lm, str):  # a language model takes minutes for a pair
            print(json.dumps({"pair": number, "flaw": pair.flaw, "in_order": in_order[pair.flaw][-1]}), flush=True)

    def means(measured: Callable[[Simulated], Measured]) -> dict[str, float | None]:
        return {name: _mean(map(measured, listed)) for name, listed in tested.items()}

    return {
        "pairs": len(pairs),
        "in_order": float(np.mean([one for listed in in_order.values() for one in listed])),
        "in_order_by_flaw": {flaw: float(np.mean(listed)) for flaw, listed in in_order.items() if listed},
        "precision": means(lambda one: one.precision),
        "generality_cosine": means(lambda one: one.generality["cosine"]),
        "simulatable": means(lambda one: one.simulatable),
        "counterfactuals_failed": sum(one.n_failed for listed in tested.values() for one in listed),
    }


def coverage(n_simulations: int = 1000, n_explanations: int = 30, n_counterfactuals: int = 10) -> dict[str, float]:
    """How often 95% intervals hold the truth: of one explanation, and of the mean over explanations drawn from many.

    Each explanation has a share of simulatable counterfactuals, a precision (both from beta distributions) and a
    diversity: its counterfactuals are points around a centre, and alike by the normal kernel of their distance. The
    truth of the mean is over 200,000 explanations.
    """
    rng = np.random.default_rng(0)

    def draw(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return rng.beta(6, 2, n), rng.beta(8, 2, n), rng.gamma(4, 0.2, n)

    def mean_likeness(spread: np.ndarray) -> np.ndarray:
        # E exp(-|a - b|^2 / 2) of two normal points in the plane whose coordinates have variance s^2: 1 / (1 + 2 s^2).
        return 1 / (1 + 2 * spread**2)

    def measure(simulatable: float, right: float, spread: float) -> tuple[Measured, Measured, int]:
        n = int(rng.binomial(n_counterfactuals, simulatable))
        inferred = np.where(np.arange(n_counterfactuals) < n, 0, -1)
        answered = (rng.random(n_counterfactuals) >= right).astype(int)
        points = rng.normal(0, spread, (n, 2))
        likeness = np.exp(-((points[:, None] - points[None]) ** 2).sum(-1) / 2)
        return precision(inferred, answered), generality(likeness), n

    # The mean counts an explanation's precision only if something is simulatable, generality as 0 below two.
    n_many = 200_000
    simulatable, right, spread = draw(n_many)
    counts = rng.binomial(n_counterfactuals, simulatable)
    true_precision = right[counts > 0].mean()
    true_generality = np.where(counts > 1, 1 - mean_likeness(spread), 0.0).mean()
    held: dict[str, list[bool]] = {}
    for number in range(n_simulations):
        drawn = list(zip(*draw(n_explanations), strict=True))
        measured = [measure(*one) for one in drawn]
        means = {
            "precision": (true_precision, [p.value for p, _, _ in measured]),
            "generality": (true_generality, [g.value for _, g, _ in measured]),
        }
        for name, (truth, values) in means.items():
            found = mean(np.asarray(values), seed=number)
            held.setdefault(f"mean_{name}", []).append(found.low <= truth <= found.high)
        for (_, right, spread_of_one), (p, g, n) in zip(drawn[:3], measured, strict=False):
            if n > 0:
                held.setdefault("one_precision", []).append(p.low <= right <= p.high)
            if n > 2:
                truth = 1 - mean_likeness(np.asarray(spread_of_one))
                held.setdefault("one_generality", []).append(bool(g.low <= truth <= g.high))
    return {name: round(float(np.mean(hits)), 4) for name, hits in held.items()}


def measure() -> dict[str, Any]:
    """The section `simulatability` of `python -m benchmarks.siblings`."""
    options = {"store": ":memory:", "embedder": ScriptedEmbedder()}
    lm = ScriptedModel(Oracle(), identity="oracle of rules")
    results = order_pairs(planted_pairs(50), lm=lm, n_counterfactuals=30, **options)
    return results | {"coverage_of_95": coverage(), "lm": "oracle with errors"}


def _noisy(pair: Pair, text: str) -> str:
    answer = pair.answer(text)
    if share("answer", str(pair.decides), text) < _BROKEN:
        return {"yes": "no", "no": "yes"}[answer]
    return answer


def _mean(measured) -> float | None:
    values = [one.value for one in measured if np.isfinite(one.value)]
    return round(float(np.mean(values)), 3) if values else None


def _between(text: str, start: str, end: str) -> str:
    return text.partition(start)[2].partition(end)[0]


def run(
    lm: Annotated[str | None, "by default an oracle with errors"] = None,
    n_pairs: int = 12,
    n_counterfactuals: int = 8,
    store: str | None = None,
    out: Annotated[Path | None, "a folder for every counterfactual of each pair"] = None,
) -> dict[str, Any]:
    """Planted flaws, written about and read by a language model."""
    if lm is None:
        return measure()
    options = {"n_counterfactuals": n_counterfactuals, "out": out, "store": store, "timeout": 600.0}
    results, seconds = timed(order_pairs, planted_pairs(n_pairs), lm=lm, **options)
    return results | {"lm": lm, "seconds": round(seconds, 1)}


if __name__ == "__main__":
    command(run)
