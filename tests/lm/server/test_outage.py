"""What waits for a server that is away: for as long as it has patience, but not before it has asked once."""

import asyncio

import pytest

from nlparam.errors import LanguageModelError
from nlparam.lm.server.outage import Outage, wait_for_any


def _gone() -> LanguageModelError:
    return LanguageModelError("it is gone")


def test_a_later_batch_asks_once_however_long_that_takes():
    async def is_back() -> bool:
        await asyncio.sleep(0.3)
        return True

    async def goes_away():
        outage.begin("connection refused")

    outage = Outage(is_back, patience=1e-9)
    asyncio.run(goes_away())
    # In an event loop of its own, in which nothing has been asked yet.
    asyncio.run(wait_for_any([outage], outage.patience, _gone))
    assert not outage.down


@pytest.mark.slow
def test_a_server_that_stays_away_is_given_up():
    asked = 0

    async def is_back() -> bool:
        nonlocal asked
        asked += 1
        return False

    async def waits():
        outage.begin("connection refused")
        while outage.down:
            await wait_for_any([outage], outage.patience, _gone)

    outage = Outage(is_back, patience=1.0)
    with pytest.raises(LanguageModelError, match="it is gone"):
        asyncio.run(waits())
    assert asked > 1
