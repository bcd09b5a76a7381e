"""Blocks, parts and manifests of large jobs: real files, no Ray."""

import json

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from nlparam.errors import CorpusError
from nlparam.scale import JobError, manifest, parts, sources
from nlparam.scale.job import _check_apart
from nlparam.scale.manifest import Manifest


def write_lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_parquet(path, texts, *, row_group_size=1000, **columns):
    table = pyarrow.table({"text": texts} | columns)
    pyarrow.parquet.write_table(table, path, row_group_size=row_group_size)
    return path


def plan(path, *, columns=(), batch_size=7, text_field="text"):
    system, files = sources.list_files(path)
    return system, sources.plan_file(system, files[0], text_field=text_field, columns=columns, batch_size=batch_size)


def read_all(system, planned, wanted, types):
    rows = []
    for blocks in sources.tasks(planned, {planned.blocks[number] for number in wanted}):
        rows += sources.read_blocks(system, planned.file, blocks, text_field="text", types=types)
    return rows


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_blocks_hold_every_row_once_whatever_part_of_them_is_read(tmp_path, kind):
    texts = [f"text {n} \u00e9\u2028" + "x" * (n % 13) for n in range(400)]
    rows = [{"text": text, "id": n} for n, text in enumerate(texts)]
    path = tmp_path / f"texts.{kind}"
    if kind == "jsonl":
        write_lines(path, rows)
    else:
        write_parquet(path, texts, row_group_size=150, id=list(range(400)))
    system, planned = plan(path, columns=["id"])
    assert planned.n_rows == 400
    assert len({block.digest for block in planned.blocks}) == len(planned.blocks)
    types = sources.merge_types([planned])
    everything = set(range(len(planned.blocks)))
    for wanted in (everything, {n for n in everything if n % 3 == 1}, {len(everything) - 1}):
        found = read_all(system, planned, wanted, types)
        assert [rows.block for rows in found] == [planned.blocks[n] for n in sorted(wanted)]
        for part in found:
            assert part.texts == [texts[number] for number in part.numbers]
            assert part.columns["id"].to_pylist() == part.numbers
            assert part.numbers == list(range(part.block.first_row, part.block.first_row + part.block.n_rows))


def test_a_change_renames_the_parts_it_concerns_and_no_other(tmp_path):
    rows = [{"text": f"text {n}"} for n in range(30)]
    _, before = plan(write_lines(tmp_path / "texts.jsonl", rows), batch_size=10)
    rows[12] = {"text": "TEXT 12"}  # of the same length
    _, after = plan(write_lines(tmp_path / "texts.jsonl", rows), batch_size=10)
    names = [[sources.part_name("job", one.file, block) for block in one.blocks] for one in (before, after)]
    assert [a == b for a, b in zip(*names, strict=True)] == [True, False, True]
    assert before.fingerprint != after.fingerprint
    assert sources.part_name("other job", before.file, before.blocks[0]) != names[0][0]


def test_the_last_line_needs_no_end_and_blank_lines_are_no_texts(tmp_path):
    (tmp_path / "texts.jsonl").write_text('\ufeff{"text": "a"}\n\n"b"\n{"text": null}', encoding="utf-8")
    system, planned = plan(tmp_path / "texts.jsonl", batch_size=3)
    found = read_all(system, planned, {0, 1}, {})
    assert [rows.texts for rows in found] == [["a", "b"], [None]]
    assert [rows.numbers for rows in found] == [[0, 2], [3]]


def test_carried_fields_keep_their_types_or_the_message_says_which_does_not(tmp_path):
    write_lines(tmp_path / "a.jsonl", [{"text": "a", "n": 1, "tags": ["x"], "none": None}])
    write_lines(tmp_path / "b.jsonl", [{"text": "b", "n": 1.5, "tags": [], "none": None}])
    columns = ["n", "tags", "none"]
    plans = [plan(tmp_path / name, columns=columns)[1] for name in ("a.jsonl", "b.jsonl")]
    types = sources.merge_types(plans)
    assert types == {"n": pyarrow.float64(), "tags": pyarrow.string(), "none": pyarrow.string()}
    system, _ = sources.list_files(tmp_path)
    rows = read_all(system, plans[0], {0}, types)[0]
    assert {name: column.to_pylist() for name, column in rows.columns.items()} == {
        "n": [1.0],
        "tags": ['["x"]'],
        "none": [None],
    }
    write_lines(tmp_path / "c.jsonl", [{"text": "c", "n": "many"}])
    with pytest.raises(CorpusError, match=r"'n' is of type .* in a.jsonl and string in c.jsonl"):
        sources.merge_types([*plans, plan(tmp_path / "c.jsonl", columns=["n"])[1]])
    write_lines(tmp_path / "d.jsonl", [{"text": "d", "n": 1}, {"text": "d", "n": "two"}])
    for batch_size, line in ((1, 2), (2, 1)):
        with pytest.raises(CorpusError, match=rf"d.jsonl, from line {line}: the field 'n' mixes types"):
            plan(tmp_path / "d.jsonl", columns=["n"], batch_size=batch_size)
    system, planned = plan(tmp_path / "d.jsonl", batch_size=1)
    with pytest.raises(CorpusError, match=r"d.jsonl, from line 2: the field 'n' is not int64"):
        read_all(system, planned, {0, 1}, {"n": pyarrow.int64()})


@pytest.mark.parametrize(
    ("values", "kind"), [([1, 2, 0.5], pyarrow.float64()), ([None, None, 3], pyarrow.int64()), ([..., 1, 2], None)]
)
def test_the_type_of_a_carried_field_is_that_of_all_blocks(tmp_path, values, kind):
    rows = [{"text": "a"} | ({} if value is ... else {"n": value}) for value in values]
    system, planned = plan(write_lines(tmp_path / "texts.jsonl", rows), columns=["n"], batch_size=1)
    types = sources.merge_types([planned])
    assert types == {"n": kind or pyarrow.int64()}
    carried = [rows.columns["n"].to_pylist() for rows in read_all(system, planned, {0, 1, 2}, types)]
    assert carried == [[None if value is ... else value] for value in values]


def test_a_result_does_not_lie_among_its_texts(tmp_path):
    write_lines(tmp_path / "a.jsonl", [{"text": "a"}])
    system, files = sources.list_files(tmp_path)
    for inside in (tmp_path / "judged", tmp_path / "deep" / "judged"):
        with pytest.raises(JobError, match="among the texts"):
            _check_apart(system, files, tmp_path, inside)
        with pytest.raises(JobError, match="among the texts"):
            _check_apart(system, files, [tmp_path / "a.jsonl", tmp_path], inside)
    # What begins with an underscore is no text; a file has nothing below it.
    for apart in (tmp_path / "_judged", tmp_path.with_name(f"{tmp_path.name}-judged")):
        _check_apart(system, files, tmp_path, apart)
    _check_apart(system, files, tmp_path / "a.jsonl", tmp_path / "judged")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"body": "a"}\n', "has no field 'text'; its fields are 'body'"),
        ("a.jsonl", b'{"text": "a"}\nnonsense\n', "line 2 is not JSON"),
        ("a.jsonl", b'{"text": "a"}\n[1]\n', "line 2: got list"),
        ("a.parquet", b"nonsense", "cannot read"),
        ("a.parquet", b"", "cannot read"),
        ("a.csv", b"text\na\n", "expected .parquet, .jsonl"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CorpusError, match=message):
        plan(tmp_path / name)


def test_texts_that_are_no_strings(tmp_path):
    write_parquet(tmp_path / "a.parquet", [1, 2])
    with pytest.raises(CorpusError, match="'text' holds int64, expected strings"):
        plan(tmp_path / "a.parquet")
    system, planned = plan(write_lines(tmp_path / "a.jsonl", [{"text": "a"}, {"text": 2}]))
    with pytest.raises(CorpusError, match=r"line 2: the field 'text' is of type int"):
        read_all(system, planned, {0}, {})


def test_listing_files(tmp_path):
    with pytest.raises(CorpusError, match="no file or folder"):
        sources.list_files(tmp_path / "absent")
    with pytest.raises(CorpusError, match="holds no files of texts"):
        sources.list_files(tmp_path)
    for name in ("b/x.jsonl", "a/x.jsonl", ".hidden/x.jsonl", "_spark/x.jsonl", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    _, files = sources.list_files(tmp_path)
    assert [file.name for file in files] == ["a/x.jsonl", "b/x.jsonl"]
    assert [file.name for file in sources.list_files(tmp_path.as_uri())[1]] == ["a/x.jsonl", "b/x.jsonl"]
    with pytest.raises(CorpusError, match=r"two files are called 'x.jsonl'"):
        sources.list_files([tmp_path / "a", tmp_path / "b"])
    with pytest.raises(CorpusError, match="cannot open nonsense://x"):
        sources.list_files("nonsense://x")


def test_a_part_is_whole_or_not_there(tmp_path, monkeypatch):
    system, folder = sources.resolve(tmp_path)
    path = f"{folder}/a.parquet"
    table = pyarrow.table({"x": np.arange(3)})
    parts.write_part(system, path, table, {"texts": 3})
    assert parts.read_info(system, path) == {"texts": 3}
    assert parts.read_part(system, path)["x"].to_pylist() == [0, 1, 2]
    assert parts.list_parts(system, folder) == {"a.parquet"}

    def half(table, file, **options):
        del table, options
        file.write(b"PAR1half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pyarrow.parquet, "write_table", half)
    with pytest.raises(JobError, match="No space left"):
        parts.write_part(system, f"{folder}/b.parquet", table, {"texts": 3})
    assert [file.name for file in tmp_path.iterdir()] == ["a.parquet"]
    (tmp_path / "b.parquet").write_bytes(b"PAR1")
    with pytest.raises(JobError, match=r"b.parquet is damaged or was not written by nlparam"):
        parts.read_info(system, f"{folder}/b.parquet")


def test_the_manifest_counts_parts_again_and_anew(tmp_path):
    job = Manifest("judge", {"predicates": ["a"]}, {}, {})
    job.begin_run()
    first = {"texts": 5, "blank": 1, "failures": 2, "costs": {"calls": 8, "seconds": {"judge": 1.0}}}
    job.count("one", first)
    job.count("two", first | {"failures": 0})
    assert job.failed_parts == {"one": 2}
    job.save(tmp_path)
    again = manifest.load(tmp_path)
    assert again is not None
    assert again == job
    again.begin_run()
    better = {"texts": 5, "blank": 1, "failures": 0, "costs": {"calls": 10, "seconds": {"judge": 1.5}}}
    again.count("one", better, replaced=first)
    assert again.done == {
        "parts": 2, "texts": 10, "blank": 2, "failures": 0, "costs": {"calls": 18, "seconds": {"judge": 2.5}}
    }  # fmt: skip
    assert again.failed_parts == {}
    assert again.runs[-1]["costs"] == {"calls": 2, "seconds": {"judge": 0.5}}


def test_a_folder_of_another_job_says_what_differs(tmp_path):
    described = {"a.jsonl": {"fingerprint": "1", "rows": 3}}
    there = Manifest("judge", {"predicates": ["a"], "batch_size": 3}, {}, described)
    there.check_same(tmp_path, "judge", there.settings)
    with pytest.raises(JobError, match=r"'judge', this is 'embed'"):
        there.check_same(tmp_path, "embed", there.settings)
    with pytest.raises(JobError, match=r'predicates: \["a"\] there, \["b"\] here\)'):
        there.check_same(tmp_path, "judge", there.settings | {"predicates": ["b"]})
    there.check_sources(tmp_path, described | {"b.jsonl": {"fingerprint": "2", "rows": 1}})
    with pytest.raises(JobError, match=r"other contents of the file 'a.jsonl'"):
        there.check_sources(tmp_path, {"a.jsonl": {"fingerprint": "2", "rows": 3}})
    with pytest.raises(JobError, match=r"'a.jsonl', which is not among the texts any more"):
        there.check_sources(tmp_path, {})
    (tmp_path / "job.json").write_text("nonsense")
    with pytest.raises(JobError, match="is no manifest of a job"):
        manifest.load(tmp_path)
