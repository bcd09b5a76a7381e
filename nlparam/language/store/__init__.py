"""The store: everything a language model or an embedder has answered, in one SQLite file, kept by content.

An answer is found again by the SHA-256 of everything that could change it, so a run that is killed and started again
repeats no finished call. Failures are never stored.
"""

from nlparam.language.store.schema import APPLICATION_ID as APPLICATION_ID
from nlparam.language.store.schema import SCHEMA_VERSION as SCHEMA_VERSION
from nlparam.language.store.store import Counts as Counts
from nlparam.language.store.store import Store as Store
from nlparam.language.store.store import completion_key as completion_key
from nlparam.language.store.store import default_store_path as default_store_path
