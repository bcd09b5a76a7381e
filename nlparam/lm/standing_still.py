"""Models in this process have all the time they need, as long as they compute."""

import asyncio
from typing import NoReturn

from nlparam.errors import LanguageModelError
from nlparam.lm.base import AbstractLanguageModel
from nlparam.runtime.budget import Meter

STANDING_STILL = 300  # seconds without a step of the computation after which a model in this process is given up
_LOOK = 1.0  # seconds between looks


async def watch(lm: AbstractLanguageModel, meter: Meter) -> NoReturn:
    """Raises `LanguageModelError` when calls are under way and the model has computed no step for `STANDING_STILL`.

    Looks are counted rather than time: while a process is suspended there are none.
    """
    seen, still = lm.steps, 0
    while still * _LOOK < STANDING_STILL:
        await asyncio.sleep(_LOOK)
        steps = lm.steps
        stands = steps is not None and steps == seen and meter.under_way > 0
        seen, still = steps, still + 1 if stands else 0
    raise LanguageModelError(
        f"{lm.where} has computed nothing for {STANDING_STILL / 60:g} minutes, expected a step in a few seconds: see "
        "what else uses the processor and the memory of this machine, or take a smaller model (`nlparam lm list`); the "
        "same command again repeats none of the answers so far"
    )
