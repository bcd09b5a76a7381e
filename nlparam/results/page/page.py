"""`AbstractPage`: the report of a result, its figures as files, and its card in a notebook."""

import abc
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nlparam.results.page.card import Card
    from nlparam.results.page.searched import Searched


class AbstractPage(abc.ABC):
    """What a result shows. Nothing is drawn before it is asked for."""

    @abc.abstractmethod
    def html(self) -> str:
        """The page as one self-contained HTML file.

        Every text, predicate, goal and setting is treated as untrusted: it is escaped, control characters are made
        visible, and the page's own policy lets no script run but those it carries, and nothing be loaded from anywhere.
        """

    def searched(self) -> "Searched | None":
        """What can be searched where the page is served: all texts, and which predicates hold for them."""
        return None

    def served_as(self, how: str) -> str:
        """The page as a running process shows it; `how` that is reached is said as for `render`."""
        del how
        return self.html()

    @abc.abstractmethod
    def figures(self) -> dict[str, dict[str, Any] | str]:
        """Its figures by name: Vega-Lite specifications as in the page, or SVG."""

    @abc.abstractmethod
    def card(self) -> "Card":
        """A small table, for a notebook (`html()`) or a terminal (`text()`)."""
