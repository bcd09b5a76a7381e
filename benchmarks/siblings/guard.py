"""A guard from three harmless rules, with the real 1.5B model."""

from nlparam.guard import Plan

PLAN = Plan(
    n_per_rule=16,
    n_held_out=8,
    languages=("English", "English", "English", "English", "Spanish"),
    held_out_languages=("English", "English", "English", "English", "French"),
)
