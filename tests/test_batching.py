import threading

from nlparam.errors import LanguageModelError
from nlparam.language.lm.base import Completion, Message, Request
from nlparam.language.lm.batching import BatchWorker


class _Forgetful:
    """Answers the first request of a batch only."""

    def answer(self, requests):
        return [Completion(request.messages[0].content) for request in requests[:1]]

    def close(self):
        pass


def test_a_model_that_forgets_an_answer_keeps_nobody_waiting():
    all_wait = threading.Event()

    def load():
        all_wait.wait(30)
        return _Forgetful()

    worker = BatchWorker(load, 8, where="the model")
    calls = [worker.submit(Request((Message("user", f"text {number}"),))) for number in range(20)]
    all_wait.set()
    errors = [error for call in calls if (error := call.exception(timeout=30)) is not None]
    assert errors
    assert all(isinstance(error, LanguageModelError) and "gave 1 answers to" in str(error) for error in errors)
    again = worker.submit(Request((Message("user", "one alone"),)))
    assert again.result(timeout=30) == Completion("one alone")
    worker.close()
