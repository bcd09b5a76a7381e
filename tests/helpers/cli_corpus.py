"""A small corpus of two topics, a fake language model that judges it by its words, and ways to run the command line."""

import functools
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from typer.testing import CliRunner, Result

from nlparam.cli import app

_WORDS = {"is about sport": ("goal", "match", "team"), "is about money": ("bank", "price", "tax")}
SPORT = [
    "The team won the match with a late goal.",
    "A goal in extra time decided the cup match.",
    "Her team trained for the match all summer.",
    "The keeper saved a goal and the match ended level.",
    "The away team lost its third match.",
    "No goal was scored when the team played at home.",
    "The coach of the team praised the goal.",
    "Rain stopped the match before the second goal.",
]
MONEY = [
    "The bank raised the price of a loan.",
    "A new tax on sugar lifts the price of sweets.",
    "The price of oil fell and so did the tax on it.",
    "The bank reported a loss after tax.",
    "Savers left the bank when the price of shares fell.",
    "The minister wants a tax on every bank.",
    "House prices rose, and the price of a mortgage too.",
    "The central bank fears a rise in the price of food.",
]
TEXTS = [text for pair in zip(SPORT, MONEY, strict=True) for text in pair]


def answer(body: dict) -> str | dict[str, float]:
    """Proposes the two topics and a third that fits nothing; judges by the words of the text."""
    content = body["messages"][-1]["content"]
    if not body.get("logprobs"):
        return json.dumps([*_WORDS, "is about the weather on Mars"])
    text, _, question = content.rpartition("Property: ")
    words = _WORDS.get(question.removesuffix(". Yes or no?"), ())
    yes = 0.95 if any(word in text for word in words) else 0.05
    return {"yes": yes, "no": 1 - yes}


def write_texts(folder: Path, texts=TEXTS, *, name: str = "stories.jsonl", field: str = "body") -> Path:
    """A JSON Lines file of texts."""
    path = folder / name
    path.write_text("".join(json.dumps({field: text, "year": 2004}) + "\n" for text in texts), encoding="utf-8")
    return path


def write_labelled(folder: Path, *, name: str = "labelled.jsonl", **fields) -> Path:
    """A JSON Lines file of the texts with a "topic" (sport or money), a "score" (about 3 or 1), a "date" (sport before
    2005, money after) and `fields`, each a list of values or a function of the number of the text."""
    rows = []
    for number, text in enumerate(TEXTS):
        sport = text in SPORT
        row = {"body": text, "topic": "sport" if sport else "money", "score": (3 if sport else 1) + number / 10}
        row["date"] = f"{2004 if sport else 2005}-{1 + number % 12:02d}-15"
        row |= {field: given(number) if callable(given) else given[number] for field, given in fields.items()}
        rows.append({key: value for key, value in row.items() if value is not ...})
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def run(*arguments: object, **options) -> Result:
    """Runs `nlparam` with these arguments in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments], prog_name="nlparam", **options)


def fit(out: Path, texts: Path, url: str, *arguments: object, k: int | str = 2) -> Result:
    """Runs `nlparam fit clustering` with the language model at `url` and a store in which the corpus is embedded."""
    return run("fit", "clustering", "--texts", texts, "--k", k, "--lm", url, "--out", out, *arguments)


def said(result: Result) -> str:
    """What the command wrote to standard error, on one line and without the frame of a usage error."""
    return " ".join("".join(" " if char in "│╭╮╰╯─" else char for char in result.stderr).split())


def embedded_store(path: Path, texts: Sequence[str] = TEXTS) -> Path:
    """Makes the store `path`, in which the texts are embedded already: most tests need not load the embedder."""
    path.write_bytes(_embedded(tuple(texts)))
    return path


@functools.cache
def _embedded(texts: tuple[str, ...]) -> bytes:
    from nlparam.language.embed import SentenceTransformerEmbedder, embed_corpus
    from nlparam.lm.store import Store

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.sqlite"
        with Store(path) as store:
            embed_corpus(texts, SentenceTransformerEmbedder(), store)
        return path.read_bytes()  # closing has put the write-ahead log into it
