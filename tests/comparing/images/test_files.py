"""Folders of images: what is read, what is left out by name, their captions, and how they are embedded."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nlparam.comparing.images import (
    ImageRanker,
    captioned,
    distinct_captions,
    files,
    holds_images,
    read_captions,
    read_images,
)
from nlparam.errors import CorpusError, EmbedderError, MissingExtraError
from nlparam.language.embed import SentenceTransformerEmbedder
from nlparam.lm.store import Store
from nlparam.runtime.costs import Costs
from tests.helpers.tiny_clip import write_tiny_clip
from tests.helpers.vision_server import seen, write_image

# Its fixtures take seconds.
pytestmark = pytest.mark.slow


def sent(image) -> Image.Image:
    return Image.open(io.BytesIO(image.read()))


def pixel(image, x: int, y: int) -> tuple[int, ...]:
    return tuple(np.asarray(sent(image))[y, x].tolist())


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "a camera"
    return exif


def test_all_four_kinds_of_files_are_read_in_the_order_of_their_names(tmp_path):
    write_image(tmp_path / "d.png", "red")
    write_image(tmp_path / "c.JPG", "green", format="JPEG")
    write_image(tmp_path / "sub" / "b.webp", "blue", lossless=True)
    frames = [Image.new("RGB", (60, 60), colour) for colour in ("yellow", "black")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    write_image(tmp_path / ".hidden" / "e.png", "red")
    (tmp_path / "f.svg").write_text("<svg/>")
    folder = read_images(tmp_path)
    assert folder.names == ("a.gif", "c.JPG", "d.png", "sub/b.webp")
    assert [seen(sent(image))[0] for image in folder.images] == ["yellow", "green", "red", "blue"]
    assert not folder.warnings
    assert {sent(image).format for image in folder.images} == {"JPEG"}


@pytest.mark.parametrize(("orientation", "above"), [(1, "red"), (3, "blue"), (2, "red"), (4, "blue")])
def test_an_image_is_sent_upright_and_without_metadata(tmp_path, orientation, above):
    write_image(tmp_path / "a.jpg", "red", "blue", exif=turned(orientation))
    [image] = read_images(tmp_path).images
    assert seen(sent(image))[0] == above
    assert not len(sent(image).getexif())


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_an_image_that_lies_on_its_side_is_turned(tmp_path, orientation):
    write_image(tmp_path / "a.jpg", "red", "blue", size=(200, 100), exif=turned(orientation))
    [image] = read_images(tmp_path).images
    assert sent(image).size == (100, 200)
    left, right = pixel(image, 5, 100), pixel(image, 95, 100)
    # 5 and 8 have the stored top row on the left, 6 and 7 on the right.
    assert (left[0] > left[2]) == (right[2] > right[0]) == (orientation in (5, 8))


def test_images_are_scaled_down_to_the_stated_size_and_never_up(tmp_path):
    write_image(tmp_path / "large.jpg", "red", size=(3000, 1500))
    write_image(tmp_path / "large.png", "red", size=(1500, 3000))
    write_image(tmp_path / "small.png", "red", size=(100, 50))
    write_image(tmp_path / "tiny.png", "red", size=(4, 80))
    large = [sent(image).size for image in read_images(tmp_path, max_side=300).images]
    assert large == [(300, 150), (150, 300), (100, 50), (32, 80)]


def test_the_size_and_the_detail_belong_to_the_key_of_an_image(tmp_path):
    write_image(tmp_path / "a.png", "red")
    same, small, low = (
        [read_images(tmp_path), read_images(tmp_path, max_side=512), read_images(tmp_path, detail="auto")],
        read_images(tmp_path, max_side=256),
        read_images(tmp_path, detail="low"),
    )
    keys = [folder.images[0].key for folder in (*same, small, low)]
    assert keys[0] == keys[1] == keys[2]
    assert len(set(keys)) == 3


def test_transparent_and_deep_images_look_as_a_viewer_shows_them(tmp_path):
    clear = Image.new("RGBA", (60, 60), (0, 0, 0, 0))
    clear.save(tmp_path / "clear.png")
    clear.convert("P").save(tmp_path / "palette.png", transparency=0)
    deep = Image.fromarray(np.full((60, 60), 32896, np.uint16))
    deep.save(tmp_path / "deep.png")
    Image.new("CMYK", (60, 60), (0, 255, 255, 0)).save(tmp_path / "print.jpg")
    pixels = {name: pixel(image, 30, 30) for name, image in zip(*_named(tmp_path), strict=True)}
    assert pixels["clear.png"] == pixels["palette.png"] == (255, 255, 255)
    assert pixels["deep.png"] == (128, 128, 128)
    assert pixels["print.jpg"][0] > 200 > 60 > pixels["print.jpg"][2]


def _named(path):
    folder = read_images(path)
    return folder.names, folder.images


def test_files_that_are_no_readable_image_are_left_out_by_name_with_the_reason(tmp_path):
    good = write_image(tmp_path / "good.jpg", "red", size=(400, 400))
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.jpg").write_text("not an image")
    (tmp_path / "cut.jpg").write_bytes(good.read_bytes()[:700])
    # A few kilobytes that would take 225 MB of memory, and one that Pillow itself refuses.
    Image.new("1", (9600, 9600)).save(tmp_path / "huge.png")
    Image.new("1", (15000, 15000)).save(tmp_path / "bomb.png")
    Image.new("RGB", (60, 60)).save(tmp_path / "bitmap.png", format="BMP")
    folder = read_images(tmp_path)
    assert folder.names == ("good.jpg",)
    reasons = folder.skipped
    assert reasons["empty.png"] == "empty"
    assert reasons["text.jpg"].startswith("no readable image: cannot identify")
    assert reasons["cut.jpg"].startswith("no readable image: ")
    assert reasons["huge.png"].startswith("huge: 9,600 x 9,600 pixels")
    assert reasons["bomb.png"].startswith("huge: ")
    assert "bitmap.png" in reasons
    [warning] = folder.warnings
    assert "6 of 7 images are left out" in warning
    assert all(name in warning for name in reasons)


def test_a_file_of_too_many_bytes_is_not_read(tmp_path, monkeypatch):
    write_image(tmp_path / "a.png", "red")
    with (tmp_path / "b.png").open("wb") as file:
        file.truncate(files.MAX_BYTES + 1)
    assert read_images(tmp_path).skipped == {"b.png": "huge: 128 MiB, at most 128 are read"}
    monkeypatch.setattr(files, "MAX_BYTES", 10)
    with pytest.raises(CorpusError, match=r"holds no readable image: a.png \(huge"):
        read_images(tmp_path)


def test_a_folder_without_images_is_an_error_that_says_what_was_expected(tmp_path):
    (tmp_path / "notes.txt").write_text("text")
    assert not holds_images(tmp_path)
    with pytest.raises(CorpusError, match=r"holds no readable image; expected files that end in .png .jpg"):
        read_images(tmp_path)
    with pytest.raises(CorpusError, match="there is no folder"):
        read_images(tmp_path / "nowhere")


@pytest.mark.parametrize("options", [{"max_side": 8}, {"detail": "much"}])
def test_options_that_make_no_sense(tmp_path, options):
    write_image(tmp_path / "a.png", "red")
    with pytest.raises(ValueError, match="expected"):
        read_images(tmp_path, **options)


def test_without_pillow_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"nlparam\[images\]"):
        read_images(tmp_path)


@pytest.fixture
def three(tmp_path):
    for number, colour in enumerate(("red", "green", "blue")):
        write_image(tmp_path / f"{number}.png", colour)
    return tmp_path


def test_captions_lie_beside_the_images(three):
    (three / "0.txt").write_text("A red\nsquare. ")
    (three / "1.png.txt").write_text("A green square.")
    (three / "2.txt").write_text("  \n")
    (three / "readme.md").write_text("about this folder")
    captions = read_captions(read_images(three))
    assert captions.texts == ("A red square.", "A green square.", None)
    assert captions.missing == [2]
    [warning] = captions.warnings
    assert "1 file of text without an image" in warning
    assert "readme.md" in warning


def test_captions_beside_images_are_read_as_other_texts_are(three):
    (three / "0.txt").write_text("A red square.", encoding="utf-16")
    (three / "1.txt").write_bytes(b"\xef\xbb\xbfA na\xefve square.")
    (three / "2.txt").write_bytes(b"\xef\xbb\xbf")
    captions = read_captions(read_images(three))
    assert captions.texts == ("A red square.", "A na\ufffdve square.", None)
    [warning] = captions.warnings
    assert "1.txt is not UTF-8 throughout" in warning


def test_a_caption_that_cannot_be_read_is_said(three, monkeypatch):
    (three / "0.txt").write_text("A red square.")
    images = read_images(three)

    def locked(path, *_):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", locked)
    with pytest.raises(CorpusError, match=r"cannot read .*0\.txt: Permission denied"):
        read_captions(images)


def test_captions_come_from_a_table_and_a_file_beside_the_image_is_nearer(three):
    rows = [
        {"file_name": "./0.png", "caption": "from the table"},
        {"file_name": "1.png", "caption": None},
        {"file_name": "2.png", "caption": "first"},
        {"file_name": "2.png", "caption": "second"},
        {"file_name": "9.png", "caption": "of nothing"},
    ]
    (three / "captions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (three / "0.txt").write_text("beside it")
    captions = read_captions(read_images(three))
    assert captions.texts == ("beside it", None, "first")
    strange, twice = captions.warnings
    assert "1 images that are not in the folder: 9.png" in strange
    assert "1 images again, and the first caption counts: 2.png" in twice


def test_a_table_elsewhere_with_the_names_of_the_datasets_library(three, tmp_path_factory):
    table = tmp_path_factory.mktemp("tables") / "metadata.csv"
    table.write_text("file_name,text,licence\n0.png,a,x\n1.png,b,x\n2.png,c,x\n")
    assert read_captions(read_images(three), table).texts == ("a", "b", "c")


def test_a_table_without_the_fields_names_those_it_has(three):
    (three / "metadata.jsonl").write_text('{"id": "0.png", "words": "a"}')
    with pytest.raises(CorpusError, match=r"has the fields 'id', 'words', expected one of file_name"):
        read_captions(read_images(three))


def test_images_without_a_caption_are_left_out_and_named(three):
    (three / "0.txt").write_text("red")
    (three / "2.txt").write_text("blue")
    folder = read_images(three)
    captions = read_captions(folder)
    rest, texts = captioned(folder, captions, None)
    assert (rest.names, texts) == (("0.png", "2.png"), ["red", "blue"])
    [warning] = captions.warnings
    assert "there is no caption of 1 of 3 images: 1.png; the comparison goes on without these" in warning


def test_most_captions_missing_is_an_error_that_says_what_to_do(three):
    (three / "0.txt").write_text("red")
    folder = read_images(three)
    with pytest.raises(CorpusError, match=r"no caption of 2 of 3 images: 1.png, 2.png; give captions .*--lm URL"):
        captioned(folder, read_captions(folder), None)


def test_different_images_with_one_caption_are_different_texts(three):
    write_image(three / "again.png", "red")
    images = read_images(three).images
    assert distinct_captions(images, ["same", "same", "other", "same"]) == ["same", "same (image 2)", "other", "same"]
    # A caption that looks like a numbered one takes nobody's place.
    texts = distinct_captions(images[:3], ["same (image 2)", "same", "same"])
    assert len(set(texts)) == 3


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return SentenceTransformerEmbedder(write_tiny_clip(tmp_path_factory.mktemp("clip")))


def test_images_and_predicates_lie_in_one_space_of_a_clip_model(clip, three, tmp_path):
    folder = read_images(three)
    texts = ["a", "b", "c"]
    images = dict(zip(texts, folder.images, strict=True))
    with Store(tmp_path / "s.sqlite") as store:
        ranker = ImageRanker(clip, store, images)
        scores = ranker.score(["a", "c", "b", "a"], ["is red", "is blue"])
        direct = clip.embed_images([images[text] for text in "acba"]) @ clip.embed(["is red", "is blue"]).T
        assert scores == pytest.approx(direct, abs=0.02)
        assert scores.shape == (4, 2)
        assert np.ptp(scores[:3], axis=0).min() > 1e-4
        assert ranker.costs.embeddings_computed == 3
        costs = Costs()
        blind = SentenceTransformerEmbedder(clip.name_or_path)
        blind.embed_images = None  # pyright: ignore[reportAttributeAccessIssue] - whoever asks it again is found out
        assert ImageRanker(blind, store, images, costs).score(["a", "c", "b", "a"], ["is red", "is blue"]) == (
            pytest.approx(scores)
        )
        assert (costs.embeddings_computed, costs.embeddings_served) == (0, 3)
        with pytest.raises(ValueError, match="stands for an image"):
            ranker.score(["d"], ["is red"])


def test_an_embedder_of_text_is_refused_as_a_ranker_of_images(three, tmp_path):
    images = dict(zip("abc", read_images(three).images, strict=True))
    with (
        Store(tmp_path / "s.sqlite") as store,
        pytest.raises(EmbedderError, match=r"embeds text only.*clip-ViT-B-32"),
    ):
        ImageRanker(SentenceTransformerEmbedder(), store, images).score(["a"], ["is red"])
