"""Words that go with numbers."""

import pytest

from nlparam.runtime.words import agree, counted, part_of


@pytest.mark.parametrize(("n", "said"), [(0, "0 texts are"), (1, "1 text is"), (1200, "1,200 texts are")])
def test_what_is_counted_agrees_with_its_number(n, said):
    assert counted(n, "text", "is", "are") == said
    assert counted(n, "text") == said.rsplit(" ", 1)[0]
    assert agree(n, "it", "them") == ("it" if n == 1 else "them")


def test_a_part_agrees_with_its_own_number_and_all_with_theirs():
    assert part_of(1, 73, "text", "is", "are") == "1 of 73 texts is"
    assert part_of(0, 1, "text", "is", "are") == "0 of 1 text are"
