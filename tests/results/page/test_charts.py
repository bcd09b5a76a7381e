"""The script that draws charts is bundled once, and again where what was kept is damaged."""

from nlparam.results.page.charts import vega_program


def test_the_script_is_kept_and_a_damaged_one_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setenv("NLPARAM_CACHE", str(tmp_path))
    bundle = vega_program.__wrapped__
    program = bundle()
    (kept,) = (tmp_path / "page").iterdir()
    import vl_convert

    with monkeypatch.context() as patched:
        patched.setattr(vl_convert, "javascript_bundle", lambda *_, **__: "bundled anew")
        assert bundle() == program
        kept.write_bytes(kept.read_bytes()[:-1])
        assert bundle() == "bundled anew"
    kept.unlink()
    (tmp_path / "page").rmdir()
    (tmp_path / "page").write_text("a file where the folder would be")
    assert bundle() == program
