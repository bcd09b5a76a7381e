"""`AbstractResult`: what every kind of result can do, written once."""

import abc
import dataclasses
import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, overload

import numpy as np

from nlparam.errors import ResultFolderError
from nlparam.results.folder import (
    KINDS,
    RECORDS,
    check_same,
    check_writable,
    complete,
    make_room,
    read_json,
    read_record,
    report_beside,
    write_json,
    writing,
)
from nlparam.results.jsonable import read_fields
from nlparam.results.page.sections import AbstractPage
from nlparam.results.versions import installed_versions
from nlparam.runtime.files import writable

if TYPE_CHECKING:
    import pyarrow


@dataclasses.dataclass(frozen=True)
class Files:
    """What the folder of a result holds beside its main file, by the name of the file.

    **Attributes:** `arrays`, named arrays (`.safetensors`); `tables` (`.parquet`); `texts` (`.json`, `.yaml`),
    `None` for a file that an earlier result may have left and that is to go.
    """

    arrays: Mapping[str, Mapping[str, np.ndarray]] = dataclasses.field(default_factory=dict)
    tables: "Mapping[str, pyarrow.Table]" = dataclasses.field(default_factory=dict)
    texts: Mapping[str, str | None] = dataclasses.field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Writes all of them. Raises `OSError`."""
        import pyarrow.parquet
        from safetensors.numpy import save_file

        for name, arrays in self.arrays.items():
            # Not `np.ascontiguousarray`, which makes a vector of a scalar.
            save_file({key: np.asarray(array, order="C") for key, array in arrays.items()}, folder / name)
        for name, table in self.tables.items():
            pyarrow.parquet.write_table(table, folder / name)
        for name, text in self.texts.items():
            if text is None:
                (folder / name).unlink(missing_ok=True)
            else:
                (folder / name).write_text(text, encoding="utf-8")


@dataclasses.dataclass(frozen=True)
class Folder:
    """Reads the files that `Files` wrote."""

    path: Path

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        """The arrays of a `.safetensors` file; none if there is no such file."""
        from safetensors.numpy import load_file

        return load_file(self.path / name) if (self.path / name).exists() else {}

    def table(self, name: str) -> "pyarrow.Table":
        """The table of a `.parquet` file. Raises `OSError`."""
        import pyarrow.parquet

        return pyarrow.parquet.read_table(self.path / name)

    def json(self, name: str, otherwise: Any = None) -> Any:
        """What a JSON file says; `otherwise`, if it is given, where there is none. Raises `OSError`."""
        if otherwise is not None and not (self.path / name).exists():
            return otherwise
        return json.loads((self.path / name).read_text(encoding="utf-8"))


class AbstractReported(abc.ABC):
    """What has a page, and with it a report, figures and a card in notebooks."""

    @abc.abstractmethod
    def page(self, *arguments: Any, **shown: Any) -> AbstractPage:
        """Its report. `shown` is what else the page can show."""

    @overload
    def report(self, path: None = None, **shown: Any) -> str: ...

    @overload
    def report(self, path: str | Path, **shown: Any) -> Path: ...

    def report(self, path: str | Path | None = None, **shown: Any) -> str | Path:
        """Writes the report to `path`, one self-contained HTML page, and returns the path; without one, the HTML.

        `shown` is what else the page can show: the `posterior` of a fit, the `update` of a taxonomy. Raises `OSError`
        if the file cannot be written.
        """
        html = self.page(**shown).html()
        if path is None:
            return html
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(html, encoding="utf-8")
        return path

    def figures(self, folder: str | Path, *, formats: str | Iterable[str] = ("svg", "png"), **shown: Any) -> list[Path]:
        """Writes every figure of the report into a folder, without a browser, and returns the paths.

        `formats` are "svg", "png" or both; `shown` as for `report`. Raises `ValueError` for another format, `OSError`
        if the folder cannot be written.
        """
        from nlparam.results.page.charts import write_figures

        return write_figures(self.page(**shown).figures(), folder, formats=formats)

    def beside(self, folder: Path) -> dict[str, Any]:
        """What its folder holds that the page shows too, as arguments of `page`."""
        del folder
        return {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__repr__" not in vars(cls):
            # A dataclass would write out all its fields, which hold the corpus.
            cls.__repr__ = AbstractReported.__repr__

    def __repr__(self) -> str:
        """In a terminal: a small table of at most 2,000 characters."""
        return self.page().card().text()

    def _repr_html_(self) -> str:
        """In a notebook: a small table without scripts."""
        return self.page().card().html()


class AbstractResult(AbstractReported):
    """A result: it has a folder, a report, figures and a card in notebooks.

    A kind of result says how it becomes files (`pack`), how it is made from them (`unpack`) and what its page shows
    (`page`), and is entered in `nlparam.results.folder.KINDS`. It gets saving, checking, locking, loading
    (`nlparam.load`), the report command, figures and the card of notebooks.

    **Attributes of a class:** `main`, the file that makes a folder complete, written last; `format`, the version of its
    layout; `again`, what to do where a folder is damaged; `not_compared`, the settings in which two runs of the same
    result may differ.
    """

    main: ClassVar[str]
    again: ClassVar[str]
    format: ClassVar[int] = 1
    # Where a model is found may change between two runs; what it is (its identity) may not.
    not_compared: ClassVar[frozenset[str]] = frozenset({"date", "lm", "embedder"})

    settings: dict[str, Any]

    def pack(self, folder: Path) -> tuple[dict[str, Any], Files]:
        """The contents of the main file, as JSON can hold them, and the other files that go into `folder`.

        By default what `as_dict` gives, and no others.
        """
        del folder
        return self.as_dict(), Files()

    def as_dict(self) -> dict[str, Any]:
        """All of it, as JSON can hold it, where it is one file."""
        raise NotImplementedError

    @classmethod
    @abc.abstractmethod
    def unpack(cls, contents: dict[str, Any], folder: Folder, *arguments: Any, **options: Any) -> Self:
        """The result from its files. `options` are those of `load`."""

    @classmethod
    def compared(cls, contents: Mapping[str, Any]) -> dict[str, Any]:
        """By which two results are the same one, from the contents of the main file."""
        return dict(contents["settings"])

    @classmethod
    def unsaved(cls, folder: Path) -> str | None:
        """Work of somebody in the folder that writing to it would lose, in words with what to do; `None` for none."""
        del folder
        return None

    @classmethod
    def read(cls, folder: str | Path) -> dict[str, Any]:
        """The contents of the main file. Raises `ResultFolderError` if there is none, or it is damaged."""
        return read_json(Path(folder) / cls.main, again=cls.again)

    @classmethod
    def check(
        cls,
        folder: str | Path,
        wanted: Mapping[str, Any],
        *,
        overwrite: bool = False,
        ignored: Collection[str] = (),
    ) -> None:
        """Raises `ResultFolderError` if the folder cannot take this result: it holds another one, or is no folder.

        The same result may be written again: a repeated command is not an accident.

        **Arguments:** `wanted`, what `compared` will give of it; `ignored`, what may differ beside `not_compared`.
        """
        folder = Path(folder)
        check_writable(folder)
        if overwrite:
            return
        for name, kind in KINDS.items():
            if name != cls.main and (folder / name).exists():
                raise ResultFolderError(f"{folder} holds a {kind.name}: choose another --out")
        if not (folder / cls.main).exists():
            return
        try:
            there = cls.compared(cls.read(folder))
        except (ResultFolderError, KeyError):  # damaged
            there = {}
        check_same(folder, KINDS[cls.main].name, there, wanted, cls.not_compared.union(ignored))
        if lost := cls.unsaved(folder):
            raise ResultFolderError(lost)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Writes it to a folder, and returns that. The main file comes last: a folder that has one is complete.

        Raises `ResultFolderError` if the folder holds something else and `overwrite` is not set, or cannot be written.
        """
        folder = Path(folder)
        contents, files = self.pack(folder)
        with writing(folder):
            self.check(folder, self.compared(contents), overwrite=overwrite)
            with writable(folder):
                make_room(folder, self.main, overwrite=overwrite)
                files.write(folder)
                write_json(folder / self.main, {"format": self.format} | contents)
        return folder

    @staticmethod
    def widget(folder: str | Path, *, who: str | None = None) -> Any:
        """The page of the result in a folder, in a notebook: as `nlparam open` shows it, with the edits and marks of
        `who` kept in the folder.

        Raises `NlparamError` if anywidget is not installed, or the folder holds nothing to mark.
        """
        from nlparam.results.serving.desk import opened
        from nlparam.results.serving.widget import widget_of

        return widget_of(opened(folder, who=who))

    @classmethod
    def load(cls, folder: str | Path, **options: Any) -> Self:
        """Reads what `save` wrote. It needs no language model and runs no code.

        **Arguments:** `options`, what the kind of result needs where it cannot be found: the `model` of a fit, the
        `embedder` of whatever denotes new texts.

        Raises `ResultFolderError` if the folder holds no such result, an incomplete one, or one of a newer format.
        """
        folder = Path(folder)
        contents = cls.read(folder)
        if contents["format"] > cls.format:
            raise _newer(folder, contents["format"], cls.format)
        with complete(folder, KINDS[cls.main].name, again=cls.again):
            return cls.unpack(contents, Folder(folder), **options)


@dataclasses.dataclass(frozen=True, kw_only=True)
class AbstractRecord(AbstractReported):
    """A result that is one JSON file, with its report beside it; entered in `nlparam.results.folder.RECORDS`.

    Its page is made from what `as_dict` gives, so that it can be made again from the file.

    **Attributes:** `versions`, of Python and the packages it was made with. Of a class: `main`, the field that marks
    its files, `format` and `again`, as of `AbstractResult`.
    """

    main: ClassVar[str]
    again: ClassVar[str]
    format: ClassVar[int] = 1

    versions: dict[str, str] = dataclasses.field(default_factory=installed_versions)

    @abc.abstractmethod
    def as_dict(self) -> dict[str, Any]:
        """All of it, as JSON can hold it."""

    @classmethod
    def from_dict(cls, contents: dict[str, Any]) -> Self:
        """The result from what `as_dict` gave. Raises `KeyError` and the like if something is missing."""
        return read_fields(cls, {"versions": {}} | contents)

    @classmethod
    def check(cls, path: str | Path | None, wanted: Mapping[str, Any], *, overwrite: bool = False) -> None:
        """Raises `ResultFolderError` if the file, or a report in its place, holds anything but a result with these
        settings.

        The same result may be written again: a repeated command is not an accident. With `overwrite` anything may.
        """
        if path is None or overwrite:
            return
        path = Path(path)
        in_the_way = path if path.exists() else report_beside(path)
        if not in_the_way.exists():
            return
        try:
            there = dict(json.loads(path.read_text(encoding="utf-8"))["settings"])
        except (OSError, ValueError, KeyError, TypeError):
            raise ResultFolderError(
                f"{in_the_way} exists already: choose another --out, or replace it with --overwrite"
            ) from None
        check_same(path, "result", there, wanted)

    def save(self, path: str | Path) -> Path:
        """Writes it to a JSON file, and the report beside it (`.html`). Raises `ResultFolderError` if it cannot."""
        path = Path(path)
        with writing(path.parent, path.name), writable(path):
            write_json(path, {"format": self.format} | self.as_dict())
            self.report(report_beside(path))
        return path

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Reads what `save` wrote. It needs no language model and runs no code.

        Raises `ResultFolderError` if the file holds no such result, an incomplete one, or one of a newer format.
        """
        contents, kind = read_record(path), RECORDS[cls.main].name
        if cls.main not in contents:
            raise ResultFolderError(f"{path} holds another kind of result: give the --out file of a {kind}")
        if (written := contents.get("format", 1)) > cls.format:
            raise _newer(path, written, cls.format)
        with complete(path, kind, again=cls.again):
            return cls.from_dict(contents)


def _newer(path: str | Path, written: int, known: int) -> ResultFolderError:
    return ResultFolderError(
        f"{path} was written by a newer nlparam (format {written}, this one reads {known}): upgrade nlparam"
    )
