"""Tables as people have them: exports of spreadsheets, surveys and help desks, and files of lines."""

import gzip
import io
import zipfile
from collections.abc import Iterator
from xml.sax.saxutils import escape

from benchmarks.people.input_files import PLAIN, TEXTS, Input, table


def tables() -> Iterator[Input]:
    """22 tables and 4 files of lines."""
    numbered = [[number, text] for number, text in enumerate(TEXTS, 1)]
    plain = [[number, text] for number, text in enumerate(PLAIN, 1)]
    head = ["id", "comment"]
    yield Input("csv-excel-utf8-bom", "a.csv", table([head, *numbered]).encode("utf-8-sig"), TEXTS)
    prices = [[number, f"{number},50", text] for number, text in numbered]
    german = table([["Nr", "Preis", "Kommentar"], *prices], delimiter=";")
    yield Input("csv-excel-german", "a.csv", german.encode("cp1252"), TEXTS)
    marked = "sep=;\r\n" + table([head, *numbered], delimiter=";")
    yield Input("csv-sep-line", "a.csv", marked.encode("utf-8-sig"), TEXTS)
    tabs = table([head, *numbered], delimiter="\t")
    yield Input("txt-excel-unicode", "Export.txt", tabs.encode("utf-16"), TEXTS, way_out=("tsv", "csv", ".tsv"))
    yield Input("txt-excel-tabs", "Export.txt", tabs.encode("cp1252"), TEXTS, way_out=("tsv", "csv", ".tsv"))
    yield Input("csv-latin1", "a.csv", table([head, *numbered], newline="\n").encode("latin-1"), TEXTS)
    long = [f"{text}\n\nSecond paragraph, with a comma.\nBest\n{number}" for number, text in enumerate(TEXTS)]
    yield Input("csv-quoted-newlines", "a.csv", table([head, *enumerate(long)], newline="\n").encode(), long)
    blank = table([head, *plain]) + ",\r\n,\r\n\r\n\r\n"
    yield Input("csv-blank-rows-at-the-end", "a.csv", blank.encode(), PLAIN)
    nul = table([head, *plain]).replace("late", "la\0te").encode()
    yield Input("csv-nul-bytes", "a.csv", nul, PLAIN, way_out=("NUL",))
    huge = [*PLAIN, "A log line of a machine. " * 12_000]
    yield Input("csv-huge-field", "a.csv", table([head, *enumerate(huge)]).encode(), huge)
    yield Input("csv-pipes", "a.csv", table([head, *numbered], delimiter="|").encode(), TEXTS)
    news = [[str(number), f"Story {number}", text] for number, text in numbered]
    yield Input("csv-no-header", "train.csv", table(news, quote_all=True).encode(), TEXTS, way_out=("header",))
    titled = "Customer feedback 2024,,\r\nGenerated 03.02.2024 by A. Smith,,\r\n,,\r\n" + table(
        [["Ticket", "Agent", "Feedback"], *([f"T-{number}", "Ann", text] for number, text in numbered)]
    )
    yield Input("csv-titles-above-header", "a.csv", titled.encode(), TEXTS, way_out=("header",))
    qualtrics = [
        ["StartDate", "ResponseId", "Q1", "Q2"],
        ["Start Date", "Response ID", "What did you like least about the service?", "Rating"],
        ['{"ImportId":"startDate"}', '{"ImportId":"_recordId"}', '{"ImportId":"QID1_TEXT"}', '{"ImportId":"QID2"}'],
        *(["2024-02-03 10:11:12", f"R_3nX{number}abQ", text, number] for number, text in numbered),
    ]
    yield Input("csv-qualtrics", "a.csv", table(qualtrics).encode(), TEXTS, way_out=("header",))
    question = "How was your stay? Please tell us in your own words what we should do better next time."
    form = [["Timestamp", "Email Address", question, "Score"]]
    form += [[f"2/{number}/2024 9:1{number}:00", f"guest{number}@example.org", text, "4"] for number, text in plain]
    yield Input("csv-google-form", "a.csv", table(form).encode(), PLAIN)
    gaps = [[1, TEXTS[0]], [2, ""], [3, TEXTS[1]], [4, TEXTS[2]], [5, "   "]]
    yield Input(
        "csv-missing-texts",
        "a.csv",
        table([head, *gaps]).encode(),
        TEXTS[:3],
        way_out=("--drop-missing",),
        then={"drop_missing": True},
    )
    yield Input("csv-gz", "a.csv.gz", gzip.compress(table([head, *numbered]).encode()), TEXTS)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("export/answers.csv", table([head, *numbered]))
        archive.writestr("__MACOSX/export/._answers.csv", b"\0\5\x16\7")
    yield Input("csv-in-zip", "export.zip", packed.getvalue(), TEXTS, way_out=("unzip", "unpack"))
    yield Input("xlsx", "Survey.xlsx", _workbook(TEXTS), TEXTS, way_out=("CSV",))
    html = "<html><body><table>" + "".join(f"<tr><td>{n}</td><td>{escape(t)}</td></tr>" for n, t in numbered)
    yield Input("xls-that-is-html", "report.xls", f"{html}</table></body></html>".encode(), TEXTS, way_out=("CSV",))
    desk = [["id", "status", "priority", "subject", "description", "agent"]]
    desk += [[1000 + number, "open", "P2", text.split()[0], text, "ann@example.org"] for number, text in numbered]
    yield Input("csv-help-desk", "tickets.csv", table(desk).encode(), TEXTS)
    frame = [["", "uid", "review", "stars"]]
    frame += [[number, f"{number:032x}-{number:064x}", text, number % 5] for number, text in numbered]
    yield Input("csv-pandas-index", "a.csv", table(frame, newline="\n").encode(), TEXTS)

    spaced = "\r\n\r\n".join(TEXTS) + "\r\n\r\n\r\n"
    yield Input("txt-crlf-empty-lines", "a.txt", spaced.encode(), TEXTS)
    log = [f"2024-02-03 10:11:{n:02} ERROR [worker-{n}] {text}" for n, text in plain]
    yield Input("log-lines", "app.log", "\n".join(log).encode() + b"\n", log)
    files = {f"letter {number}.txt": text.encode("cp1252") for number, text in numbered}
    yield Input("folder-of-letters-cp1252", "letters", texts=TEXTS, files=files)
    pdf = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n" + bytes(range(256)) * 4
    yield Input("pdf", "report.pdf", pdf, way_out=("pdftotext", "as text", ".txt"))


def _workbook(texts: list[str]) -> bytes:
    """A workbook as Excel writes it: shared strings, a rich text, a date with a style, empty cells, a title."""
    strings = ["date", "who", "answer", *texts]
    shared = "".join(f'<si><t xml:space="preserve">{escape(text)}</t></si>' for text in strings[:-1])
    first, rest = strings[-1][:5], strings[-1][5:]
    shared += f'<si><r><t>{escape(first)}</t></r><r><rPr><b/></rPr><t xml:space="preserve">{escape(rest)}</t></r></si>'
    rows = '<row r="1">' + "".join(f'<c r="{column}1" t="s"><v>{n}</v></c>' for n, column in enumerate("ABC"))
    rows += "</row>"
    for number in range(len(texts)):
        row = number + 2
        rows += f'<row r="{row}"><c r="A{row}" s="1"><v>{45325 + number}</v></c><c r="C{row}" t="s">'
        rows += f"<v>{number + 3}</v></c></row>"
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="rels" '
        f'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{kind}.worksheet+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{kind}.styles+xml"/>'
        f'<Override PartName="/xl/sharedStrings.xml" ContentType="{kind}.sharedStrings+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="rId1" '
        f'Type="{relations}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{relations}"><sheets>'
        f'<sheet name="Form responses 1" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="rId1" Type="{relations}/worksheet" Target="worksheets/sheet1.xml"/>'
        f'<Relationship Id="rId2" Type="{relations}/styles" Target="styles.xml"/>'
        f'<Relationship Id="rId3" Type="{relations}/sharedStrings" Target="sharedStrings.xml"/></Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{main}"><fonts count="1"><font/></fonts><fills count="1"><fill/></fills>'
        f'<borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs>'
        f'<cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="14" applyNumberFormat="1"/></cellXfs></styleSheet>',
        "xl/sharedStrings.xml": f'<sst xmlns="{main}" count="{len(strings)}">{shared}</sst>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{rows}</sheetData></worksheet>',
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n' + content)
    return file.getvalue()
