"""The page of a result in a notebook: an anywidget, which passes on what the page asks."""

from typing import Any

from nlparam.errors import NlparamError
from nlparam.results.page.render import read_template
from nlparam.results.serving.desk import Desk


def widget_of(desk: Desk) -> Any:
    """The page in a frame that can do nothing but ask the desk. Raises `NlparamError` without anywidget."""
    try:
        import anywidget
        import traitlets
    except ImportError as error:
        raise NlparamError("a widget needs anywidget: pip install 'nlparam[notebook]'") from error

    class Page(anywidget.AnyWidget):
        _esm = read_template("widget.js")
        html = traitlets.Unicode().tag(sync=True)

    page = Page(html=desk.html("widget"))

    def asked(_page: Any, said: Any, _buffers: Any) -> None:
        if said["name"] == "reload":
            page.html = desk.html("widget")
        else:
            page.send({"nlparam": said["nlparam"], "answer": desk.call(said["name"], said["given"])})

    page.on_msg(asked)
    return page
