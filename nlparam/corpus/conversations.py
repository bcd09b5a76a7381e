"""Conversations: lists of messages in the forms of OpenAI, Anthropic, ShareGPT, Inspect and of exports."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from nlparam.corpus.corpus import Cited
from nlparam.corpus.rows import DEFAULT_FIELD, Rows

# The fields of a message, in the order in which they are looked for.
_ROLES = ("role", "from", "sender", "speaker")
_CONTENTS = ("content", "value", "text", "message")
_NAMES = {"human": "user", "gpt": "assistant", "chatgpt": "assistant", "bot": "assistant", "model": "assistant"}
# What the application says is the same in all its conversations, and is not shown.
_OF_APPLICATION = ("system", "developer")
_KNOWN = {"user", "assistant", "tool", "function", *_OF_APPLICATION}
_ATTACHED = "attachment://"


class Message(NamedTuple):
    """What somebody says in a conversation: `number` counts the messages of the conversation from 1."""

    number: int
    role: str
    text: str


def messages_of(value: Any, attachments: dict[str, str] | None = None) -> list[Message] | None:
    """The messages of a list, without those of the application and empty ones; `None` if it is no list of messages.

    A call of a tool is shown as `[calls NAME with ARGUMENTS]`, and what a model only thought is left out.
    """
    if not isinstance(value, list) or not value:
        return None
    found = []
    for number, item in enumerate(value, 1):
        role, content = (_first(item, names) for names in (_ROLES, _CONTENTS)) if isinstance(item, dict) else ("", None)
        if not isinstance(role, str) or not role:
            return None
        if content is None and not any(name in item for name in (*_CONTENTS, "tool_calls")):
            return None
        if content is not None and not isinstance(content, str | list):
            return None
        role = _NAMES.get(role.lower(), role)
        said = [*_parts(content), *map(_call, item.get("tool_calls") or ())]
        text = "\n".join(part for part in said if part.strip())
        if attachments and _ATTACHED in text:
            for name, attached in attachments.items():
                text = text.replace(f"{_ATTACHED}{name}", attached)
        if text and role not in _OF_APPLICATION:
            found.append(Message(number, role, text))
    return found


def is_conversation(value: dict[str, Any]) -> bool:
    """Whether an object is itself one conversation of a user with a language model."""
    talks = [messages for item in value.values() if (messages := messages_of(item)) is not None]
    return len(talks) == 1 and {message.role for message in talks[0]} <= _KNOWN


def unthreaded(row: dict[str, Any]) -> dict[str, Any]:
    """A row of an export of ChatGPT, which has a tree of messages, with the list of those that are shown."""
    tree, at = row.get("mapping"), row.get("current_node")
    if not isinstance(tree, dict) or at not in tree:
        return row
    found = []
    while at in tree:
        message = tree[at].get("message") or {}
        content, author = message.get("content"), message.get("author")
        if isinstance(content, dict) and isinstance(author, dict):
            parts = [part for part in content.get("parts") or [content.get("text")] if isinstance(part, str)]
            found.append({"role": author.get("role"), "content": "\n".join(parts)})
        at = tree[at].get("parent")
    return {name: value for name, value in row.items() if name != "mapping"} | {"messages": found[::-1]}


def is_service(row: dict[str, Any]) -> bool:
    """Whether a row of an export of Telegram says what happened instead of what was said."""
    return row.get("type") == "service" and "action" in row


def joined(value: Any) -> Any:
    """A text that is kept in parts, some of them formatted, as one string; any other value as it is."""
    if isinstance(value, list) and any(isinstance(part, dict) for part in value):
        parts: list[Any] = [
            part.get("text") if isinstance(part, dict) and not _first(part, _ROLES) else part for part in value
        ]
        if all(isinstance(part, str) for part in parts):
            return "".join(parts)
    return value


def talk_rows(rows: Rows, field: str, *, by_message: bool) -> Rows:
    """Rows whose field `text` holds the conversations of `field`, or with `by_message` a row for each message.

    These have the fields of their conversation, and `conversation` (its number from 1), `message` (the number in it)
    and `role`, and their texts say so (`Cited`). A conversation in which nothing was said is left out.
    """
    attached = rows.column("attachments") if "attachments" in rows.names else [None] * rows.n_rows
    talks = [
        messages_of(value, texts if isinstance(texts, dict) else None)
        for value, texts in zip(rows.column(field), attached, strict=True)
    ]
    if not by_message:
        texts = [
            None if talk is None else "\n\n".join(f"{message.role}: {message.text}" for message in talk)
            for talk in talks
        ]
        names = [*(name for name in rows.names if name != DEFAULT_FIELD), DEFAULT_FIELD]
        return Rows(
            rows.n_rows, names, [DEFAULT_FIELD], lambda name: texts if name == DEFAULT_FIELD else rows.column(name),
            rows.place,
        )  # fmt: skip
    found = [(row, message) for row, messages in enumerate(talks) for message in messages or ()]
    own = {
        DEFAULT_FIELD: [
            Cited(message.text, f"conversation {row + 1}, message {message.number} ({message.role})")
            for row, message in found
        ],
        "conversation": [row + 1 for row, _ in found],
        "message": [message.number for _, message in found],
        "role": [message.role for _, message in found],
    }

    def column(name: str) -> list:
        if name in own:
            return own[name]
        values = rows.column(name)
        return [values[row] for row, _ in found]

    def place(index: int) -> str:
        row, message = found[index]
        return f"{rows.place(row)}, message {message.number}"

    # Each row with the whole conversation would make a table of squared size.
    names = [*(name for name in rows.names if name not in own and name.split(".")[0] != field), *own]
    return Rows(len(found), names, [DEFAULT_FIELD], column, place)


def _first(item: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((item[name] for name in names if item.get(name) is not None), None)


def _parts(content: str | list | None) -> Iterator[str]:
    """The texts of a content: a string, or blocks of text, of calls of tools, and of their results."""
    if isinstance(content, str):
        yield content
    for part in content if isinstance(content, list) else ():
        if isinstance(part, str):
            yield part
        elif isinstance(part, dict) and part.get("type") == "tool_use":
            yield _call(part)
        elif isinstance(part, dict) and part.get("type") == "tool_result":
            yield from _parts(part.get("content"))
        elif isinstance(part, dict) and isinstance(part.get("text"), str):
            yield part["text"]


def _call(call: Any) -> str:
    """A call of a tool as OpenAI, Anthropic and Inspect keep it."""
    if not isinstance(call, dict):
        return ""
    function = call.get("function")
    named = function if isinstance(function, dict) else {"name": function or call.get("name")}
    given = named.get("arguments", call.get("arguments", call.get("input")))
    shown = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
    return f"[calls {named.get('name')} with {shown}]"
