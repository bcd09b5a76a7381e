"""The page of a result is served to whoever has its address, from this machine, and to nobody else."""

import html
import http.client
import json
import socket
import struct
import time
from urllib.parse import urlsplit

import pytest

from nlparam.corpus.marks import kept_labels
from nlparam.errors import ResultFolderError
from nlparam.results.page.text import text_key
from nlparam.results.serving.desk import Desk
from nlparam.results.serving.server import serving
from nlparam.results.serving.texts import MAX_SHOWN
from tests.helpers.handmade_results import make_comparison

LONG = "word " * 2000
TEXTS = [
    *(f"Complaint {i} about a parcel." for i in range(60)),
    "<b>Ünïcode</b> & more",
    LONG,
    "two\r\nlines\r\n\r\nof it",
]


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    return Desk(make_comparison(texts=TEXTS).page(), tmp_path_factory.mktemp("comparison"), who="Ann")


@pytest.fixture(scope="module")
def address(desk):
    with serving(desk) as address:
        yield address


def asked(address, *, method="POST", place="api/marks", body="{}", **headers):
    """The status, the headers and the body of an answer."""
    at = urlsplit(address)
    connection = http.client.HTTPConnection(at.hostname or "", at.port, timeout=120)
    given = {"Host": at.netloc, "Content-Type": "application/json"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    connection.request(method, at.path + place, body if method == "POST" else None, given)
    answer = connection.getresponse()
    found = answer.status, dict(answer.getheaders()), answer.read().decode()
    connection.close()
    return found


def test_the_page_and_its_calls_are_served(desk, address):
    status, headers, body = asked(address, method="GET", place="")
    assert status == 200
    assert body == desk.html()
    assert 'data-served="http"' in body
    assert "connect-src 'self'" in html.unescape(body)
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert json.loads(asked(address)[2])["marks"] == []


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_others_are_refused(address, method):
    at = urlsplit(address)
    wrong = f"{at.scheme}://{at.netloc}/{'x' * 32}/"
    refused = [
        asked(wrong, method=method),
        asked(f"{at.scheme}://{at.netloc}/", method=method),
        asked(address, method=method, Host="evil.example"),
        asked(address, method=method, Host=f"evil.example:{at.port}"),
        asked(address, method=method, Origin="https://evil.example"),
        asked(address, method=method, Origin="null"),
        asked(address, method=method, Origin=f"https://{at.netloc}"),
    ]
    assert [status for status, _, _ in refused] == [403] * len(refused)
    assert not any("Complaint" in body for _, _, body in refused)
    own = asked(address, Origin=f"http://{at.netloc}", Host=f"localhost:{at.port}")
    assert own[0] == 200


def test_requests_that_make_no_sense_are_answered_in_words(address):
    assert asked(address, Content_Type="text/plain")[0] == 415
    assert asked(address, Content_Length="2000000")[0] == 413
    assert asked(address, Content_Length="9" * 5000)[0] == 413
    assert asked(address, Content_Length="\xb2")[0] == 415
    assert asked(address, body="{")[0] == 400
    assert asked(address, place="elsewhere")[0] == 404
    assert asked(address, method="GET", place="api/marks")[0] == 404
    for place, body in (
        ("api/nothing", "{}"),
        ("api/mark", "{}"),
        ("api/mark", "[]"),
        ("api/texts", '{"page": "x"}'),
        ("api/texts", '{"page": Infinity}'),
    ):
        status, _, said = asked(address, place=place, body=body)
        assert status == 200
        assert "load" in json.loads(said)["error"]


def test_a_mark_is_in_the_file_when_it_is_acknowledged(desk):
    predicate = desk.texts.searched.predicates[0]
    for text in (TEXTS[-1], LONG):
        given = {"text": text_key(text), "predicate": predicate, "label": "no", "who": "Bob"}
        assert [text_key(text), predicate, "no", "Bob"] in desk.call("mark", given)["marks"]
    assert [row["text"] for row in kept_labels(desk.labels)] == [TEXTS[-1], LONG]
    desk.call("mark", given | {"label": ""})
    assert [row["text"] for row in kept_labels(desk.labels)] == [TEXTS[-1]]
    for wrong in ({"predicate": "is of no kind"}, {"text": "0" * 20}, {"label": "perhaps"}):
        assert desk.call("mark", given | wrong)["error"]


def test_texts_are_found_by_words_and_by_what_holds(desk):
    everything = desk.call("texts", {})
    assert everything["n"] == len(TEXTS)
    assert [text["number"] for text in everything["texts"]] == list(range(25))
    found = desk.call("texts", {"words": "ünïCODE more"})
    assert [text["text"] for text in found["texts"]] == ["<b>Ünïcode</b> & more"]
    (long,) = desk.call("texts", {"words": "word"})["texts"]
    assert (len(long["text"]), long["left"]) == (MAX_SHOWN, len(LONG) - MAX_SHOWN)
    denotations = desk.texts.searched.denotations
    for holds in (True, False):
        found = desk.call("texts", {"column": 1, "holds": holds})
        values = [denotations[text["number"], 1] for text in found["texts"]]
        assert values == sorted(values, reverse=holds)
        assert all((value >= 0.5) == holds for value in values)
        for text in found["texts"]:
            assert {column for column, _ in text["under"]} == set((denotations[text["number"]] >= 0.5).nonzero()[0])
    assert "expected one from 0 to" in desk.call("texts", {"column": 99})["error"]


def test_whoever_leaves_before_the_answer_comes_is_not_reported(address, capsys):
    at = urlsplit(address)
    with socket.create_connection((at.hostname, at.port)) as leaving:
        leaving.sendall(f"GET {at.path} HTTP/1.1\r\nHost: {at.netloc}\r\n\r\n".encode())
        # The connection is reset, and not closed in order.
        leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert asked(address)[0] == 200
    time.sleep(0.1)
    assert capsys.readouterr().err == ""


def test_a_folder_that_was_removed_is_said_and_not_made_again(tmp_path):
    folder = tmp_path / "comparison"
    folder.mkdir()
    desk = Desk(make_comparison(texts=TEXTS).page(), folder, who="Ann")
    folder.rmdir()
    given = {"text": text_key(LONG), "predicate": desk.texts.searched.predicates[0], "label": "no"}
    assert "there is no folder" in desk.call("mark", given)["error"]
    assert not folder.exists()


def test_a_port_that_is_taken_is_said(desk, address):
    port = urlsplit(address).port
    with pytest.raises(ResultFolderError, match=rf"port {port} cannot be served on"), serving(desk, port=port):
        pass
