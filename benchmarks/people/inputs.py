"""60 inputs as people have them: which are read right, and which refused with the way out.

`python -m benchmarks.people.inputs` prints a line for each and the figures as JSON. 15 of the 60 were looked at only
once the readers were finished (`UNSEEN`).
"""

import json
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.people.input_chats import chats
from benchmarks.people.input_files import Input
from benchmarks.people.input_json import dates, json_files
from benchmarks.people.input_tables import tables

INPUTS: list[Input] = [*tables(), *json_files(), *chats(), *dates()]
UNSEEN = frozenset(random.Random(17).sample([item.name for item in INPUTS], 15))
