"""The store: everything a language model or an embedder has answered, in one SQLite file, kept by content.

An answer is found again by the SHA-256 of everything that could change it, so a run that is killed and started again
repeats no finished call. Failures are never stored.
"""

from nlparam.lm.store.schema import APPLICATION_ID as APPLICATION_ID
from nlparam.lm.store.schema import SCHEMA_VERSION as SCHEMA_VERSION
from nlparam.lm.store.store import Counts as Counts
from nlparam.lm.store.store import Store as Store
from nlparam.lm.store.store import completion_key as completion_key
from nlparam.lm.store.store import default_store_path as default_store_path
