"""Goals in plain words.

The sets were made for strong language models, and state their goal as an instruction: "I want to guess what topic is
more likely to achieve a higher score ... in the form of 'has a topic of <something>'". Our prompts ask for a short
phrase, and a small model loses the thread of a long one. The rules below take the phrase out of the instruction. They
read nothing else, so a goal never says more than its author said.
"""

import re

_FORM = re.compile(r"'has an? ([\w/ ]+) of <\w+>'")
_BASIS = re.compile(r"\bbased on ([^.;]+)")
_WANTED = re.compile(r"\bI (?:want|would like|am trying) to (?:understand|know|learn|find out|see|describe) ([^.;]+)")
_COMPLETE = re.compile(r"(?:the|an?|its|their|whether|what|which|who|whose|where|when|why|how)\b")
_REMARK = re.compile(r"^\s*\([^)]*\)\s*")


def plain_goal(stated: str) -> str:
    """The phrase in a stated goal; what is a phrase already stays as it is, without a full stop.

    ```pycon
    >>> plain_goal("Each description should be in the form of 'has a topic/language of <something>'.")
    'the topic or language of the text'
    >>> plain_goal("I want to cluster these problems based on the skills required to solve them.")
    'the skills required to solve them'
    >>> plain_goal("what the text is about")
    'what the text is about'

    ```
    """
    form = _FORM.search(stated)
    if form is not None:
        return goal_of_attributes(form[1].split("/"))
    basis = _BASIS.search(stated)
    if basis is not None:
        return basis[1].strip() if _COMPLETE.match(basis[1]) else f"the {basis[1].strip()}"
    wanted = _WANTED.search(stated)
    if wanted is not None:
        return wanted[1].strip()
    return _REMARK.sub("", stated).strip().rstrip(".")


def goal_of_attributes(attributes: list[str]) -> str:
    """ "the topic, location or language of the text" """
    *first, last = [attribute.strip() for attribute in attributes]
    return f"the {', '.join(first)} or {last} of the text" if first else f"the {last} of the text"
