"""The table of goals, and what their corpora look like."""

from collections import Counter

from benchmarks.goals.corpora import load
from benchmarks.goals.suite import Goal


def shown(goal: Goal) -> str:
    """A goal with its corpus: how many texts there are of each answer, and two of them."""
    corpus = load(goal.corpus)
    counts = Counter(label for label in corpus.axes[goal.axis] if label is not None)
    others = [axis for axis in corpus.axes if axis != goal.axis]
    lines = [
        f"{goal.name} [{goal.group or goal.half}] {goal.model} k={goal.k}: {goal.goal}",
        f"  {corpus.name}: {len(corpus.texts)} texts{', crossed' if corpus.crossed else ''}"
        f"{'; other axes: ' + ', '.join(others) if others else ''}",
        f"  {len(counts)} classes: {', '.join(f'{label} {count}' for label, count in counts.most_common())}",
    ]
    for number in (0, len(corpus.texts) // 2):
        text = " ".join(corpus.texts[number].split())
        lines.append(f"  [{corpus.axes[goal.axis][number]}] {text[:100]}")
    return "\n".join(lines)
