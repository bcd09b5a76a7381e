"""JSON as programs write it, and dates in ten forms."""

import datetime
import gzip
import json
from collections.abc import Iterator

from benchmarks.people.input_files import PLAIN, TEXTS, Input, lines, table


def json_files() -> Iterator[Input]:
    """11 files of JSON."""
    objects = [{"id": number, "comment": text} for number, text in enumerate(TEXTS)]

    def dumped(value: object, **options) -> bytes:
        return json.dumps(value, ensure_ascii=False, **options).encode()

    yield Input("json-strings", "a.json", dumped(TEXTS), TEXTS)
    yield Input("json-rows-under-a-key", "a.json", dumped({"meta": {"page": 1}, "data": objects}), TEXTS)
    issues = [
        {"key": f"AB-{row['id']}", "fields": {"summary": "Bug", "description": row["comment"]}} for row in objects
    ]
    deep = {"status": "ok", "response": {"total": 6, "warnings": [], "items": issues}}
    yield Input("json-rows-deep", "a.json", dumped(deep, indent=2), TEXTS, way_out=("--text-field",))
    columns = {field: {str(n): row[field] for n, row in enumerate(objects)} for field in ("id", "comment")}
    yield Input("json-pandas", "a.json", dumped(columns), TEXTS)
    split = {"columns": ["id", "comment"], "index": list(range(6)), "data": [list(row.values()) for row in objects]}
    yield Input("json-pandas-split", "a.json", dumped(split), TEXTS)
    spaced = "\ufeff" + lines(objects[:3]) + "\n\n" + lines(objects[3:]) + "\n"
    yield Input("jsonl-bom-blank-lines", "a.jsonl", spaced.encode(), TEXTS)
    posts = [
        {"data": {"id": str(10**17 + n), "lang": "en", "text": text}, "matching_rules": [{"id": "1", "tag": "shop"}]}
        for n, text in enumerate(TEXTS)
    ]
    yield Input("jsonl-nested", "stream.ndjson", lines(posts).encode(), TEXTS, way_out=("--text-field",))
    yield Input("jsonl-gz", "a.jsonl.gz", gzip.compress(lines(objects).encode()), TEXTS)
    cut = lines(objects).encode()[:-25]
    yield Input("jsonl-cut-off", "a.jsonl", cut, TEXTS[:5], way_out=("line 6",))
    pretty = "\n".join(json.dumps(row, ensure_ascii=False, indent=2) for row in objects)
    yield Input("json-one-after-another", "a.json", pretty.encode(), TEXTS)
    yield Input("jsonl-powershell", "a.jsonl", lines(objects, "\r\n").encode("utf-16"), TEXTS)


def dates() -> Iterator[Input]:
    """10 tables with dates; the steps are months."""
    days = [datetime.datetime(2023, month, 11 + month, 9, 5, tzinfo=datetime.UTC) for month in (2, 5, 6, 8)]
    steps = [f"{day:%Y-%m}" for day in days]
    forms = {
        "iso-z": [f"{day:%Y-%m-%dT%H:%M:%SZ}" for day in days],
        "us": [f"{day.month}/{day.day}/{day.year}" for day in days],
        "german": [f"{day:%d.%m.%Y %H:%M}" for day in days],
        "day-month-name": [f"{day:%d %b %Y}" for day in days],
        "month-name-am-pm": [f"{day:%b %d, %Y, %I:%M %p}" for day in days],
        "epoch-seconds": [int(day.timestamp()) for day in days],
        "epoch-milliseconds": [int(day.timestamp() * 1000) for day in days],
        "excel-serial": [(day.date() - datetime.date(1899, 12, 30)).days for day in days],
        "rfc-2822": [f"{day:%a, %d %b %Y %H:%M:%S} +0000" for day in days],
    }
    for name, stamps in forms.items():
        rows = [["date", "text"], *zip(stamps, PLAIN, strict=True)]
        way_out = ("--time-unit", "--time-format") if name == "excel-serial" else ("--time-format",)
        yield Input(
            f"dates-{name}",
            "a.csv",
            table(rows).encode(),
            PLAIN,
            steps=steps,
            way_out=way_out,
            then={"time_format": "excel"} if name == "excel-serial" else None,
        )
    stamps = ["01/02/2023", "03/04/2023", "05/06/2023", "07/08/2023"]
    rows = [["date", "text"], *zip(stamps, PLAIN, strict=True)]
    yield Input(
        "dates-ambiguous",
        "a.csv",
        table(rows).encode(),
        PLAIN,
        way_out=("--time-format",),
        then={"time_format": "%d/%m/%Y"},
        steps=["2023-02", "2023-04", "2023-06", "2023-08"],
    )
