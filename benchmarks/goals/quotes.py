"""Corpora of sayings and talk: fortune cookies and dialogues of a chatterbot."""

from pathlib import Path

from benchmarks.commands import read_yaml
from benchmarks.goals.corpora import Corpus, Row, corpus_of, sampled
from benchmarks.goals.fetch import debian, python
from benchmarks.goals.formats import fortunes

_COOKIES = {
    "English": ("fortunes", ""),
    "Spanish": ("fortunes-es", "es"),
    "Russian": ("fortunes-ru", "ru"),
}
_THEMES = {
    "computers": {
        "English": ("computers", "linux"),
        "Spanish": ("informatica",),
        "Russian": ("computer", "programming"),
    },
    "art": {"English": ("art",), "Spanish": ("arte",), "Russian": ("art",)},
    "power and politics": {"English": ("politics",), "Spanish": ("poder", "libertad"), "Russian": ("polit",)},
    "love": {"English": ("love",), "Spanish": ("sentimientos",), "Russian": ("love", "love_s")},
}


def cookies() -> Corpus:
    """Fortune cookies of three languages on four themes."""
    rows = []
    for theme, files in _THEMES.items():
        for language, names in files.items():
            package, folder = _COOKIES[language]
            for name in names:
                for cookie in _read(package, folder, name):
                    rows.append(Row(cookie, {"language": language, "theme": theme}))
    return corpus_of("cookies", sampled(rows, lambda row: tuple(row.labels.values()), 80), crossed=True)


_FORMS = {
    "joke": ("witze",),
    "proverb": ("sprichworte",),
    "recipe": ("vorspeise", "hauptgericht", "beilagen", "salat", "dessert", "kuchen", "huhn", "elefanten"),
    "mock dictionary entry": ("woerterbuch",),
    "trivia fact": ("wusstensie",),
}


def german_forms() -> Corpus:
    """German fortune cookies by their form."""
    rows = [
        Row(cookie, {"form": form})
        for form, names in _FORMS.items()
        for name in names
        for cookie in _read("fortunes-de", "de", name)
    ]
    return corpus_of("german-forms", sampled(rows, lambda row: row.labels["form"], 150))


_ENGLISH = (
    "art", "computers", "definitions", "disclaimer", "drugs", "education", "food", "kids", "law", "love", "medicine",
    "men-women", "politics", "science", "songs-poems", "sports", "startrek", "riddles", "work", "zippy",
)  # fmt: skip


def english_cookies() -> Corpus:
    """English fortune cookies of twenty files."""
    rows = []
    for name in _ENGLISH:
        package = "fortunes-min" if name == "riddles" else "fortunes"
        rows += [Row(cookie, {"theme": name}) for cookie in _read(package, "", name)]
    return corpus_of("english-cookies", sampled(rows, lambda row: row.labels["theme"], 90))


def _read(package: str, folder: str, name: str) -> list[str]:
    path = debian(package) / "usr/share/games/fortunes" / folder / name
    if not path.exists():
        path = path.with_name(f"{name}.fortunes")
    return fortunes(path.read_text(encoding="utf-8", errors="replace"))


_SPOKEN = ("english", "italian", "persian", "ukrainian")
_SUBJECTS = ("emotion", "food", "literature", "money", "movies", "psychology", "science", "sports")


def chat() -> Corpus:
    """Exchanges with a chatterbot: two lines in one of four languages on one of eight subjects."""
    rows = []
    for language in _SPOKEN:
        for subject in _SUBJECTS:
            path = python("chatterbot-corpus") / "chatterbot_corpus/data" / language / f"{subject}.yml"
            for turns in exchanges(path):
                rows.append(Row("\n".join(turns[:2]), {"language": language.capitalize(), "subject": subject}))
    return corpus_of("chat", sampled(rows, lambda row: tuple(row.labels.values()), 45), crossed=True)


def exchanges(path: Path) -> list[list[str]]:
    """The conversations of a file of the chatterbot corpus."""
    return [[str(turn) for turn in turns] for turns in read_yaml(path)["conversations"]]


LOADERS = {"cookies": cookies, "german-forms": german_forms, "english-cookies": english_cookies, "chat": chat}
