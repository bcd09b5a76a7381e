"""Words that go with numbers: "1 text is", "2 texts are"."""


def counted(n: int, what: str, one: str = "", several: str = "") -> str:
    """So many of something: "1 text", "1,200 texts"; with the verbs `one` and `several` "1 text is", "2 texts are"."""
    return " ".join(filter(None, (f"{n:,} {what}{agree(n, '', 's')}", agree(n, one, several))))


def part_of(n: int, n_all: int, what: str, one: str, several: str) -> str:
    """So many of all, with a verb: "1 of 73 texts is", "2 of 73 texts are"."""
    return f"{n:,} of {counted(n_all, what)} {agree(n, one, several)}"


def agree(n: int, one: str, several: str) -> str:
    """The word that goes with a number: `agree(n, "it", "them")`."""
    return one if n == 1 else several
