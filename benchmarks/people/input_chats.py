"""Conversations as programs keep and export them."""

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

from benchmarks.people.input_files import PLAIN, Input, lines

TALKS = [
    ["Where is my parcel?", "It is on its way.", "Since two weeks!"],
    ["My card was charged twice.", "I am sorry. The money is back in three days."],
    ["Can I get the shirt in blue?", 'Yes: it is 20 € more, "as new".', "Fine.", "Ordered."],
]
_ROLES = ["user", "assistant", "user", "assistant"]


def chats() -> Iterator[Input]:
    """13 files of conversations."""

    def turns(talk: list[str], role: str = "role", content: str = "content", **names: str) -> list[dict[str, Any]]:
        return [{role: names.get(who, who), content: text} for who, text in zip(_ROLES, talk, strict=False)]

    openai = [{"messages": turns(talk), "model": "gpt-4o"} for talk in TALKS]
    yield Input("openai-jsonl", "chats.jsonl", lines(openai).encode(), messages=TALKS)
    parts = [
        {
            "messages": [
                {"role": turn["role"], "content": [{"type": "text", "text": turn["content"]}]} for turn in turns(talk)
            ]
        }
        for talk in TALKS
    ]
    call = {"id": "c1", "type": "function", "function": {"name": "track", "arguments": '{"order": 7}'}}
    parts[0]["messages"].insert(1, {"role": "assistant", "content": None, "tool_calls": [call]})
    yield Input("openai-parts-tools", "chats.jsonl", lines(parts).encode(), messages=TALKS)
    share = [
        {"id": f"s{n}", "conversations": turns(talk, "from", "value", user="human", assistant="gpt")}
        for n, talk in enumerate(TALKS)
    ]
    yield Input("sharegpt", "sharegpt.json", json.dumps(share).encode(), messages=TALKS)
    blocks = [
        {
            "system": "You help customers.",
            "messages": [
                {"role": turn["role"], "content": [{"type": "text", "text": turn["content"]}]}
                if turn["role"] == "assistant"
                else turn
                for turn in turns(talk)
            ],
        }
        for talk in TALKS
    ]
    yield Input("anthropic-jsonl", "chats.jsonl", lines(blocks).encode(), messages=TALKS)

    samples = [
        {
            "id": n + 1, "epoch": 1, "input": talk[0], "target": "",
            "messages": [{**turn, "id": f"m{k}", "source": "input"} for k, turn in enumerate(turns(talk))],
            "output": {"model": "mockllm/model", "choices": []}, "scores": {"match": {"value": "C"}},
            "metadata": {}, "store": {}, "events": [], "model_usage": {}, "attachments": {},
        }
        for n, talk in enumerate(TALKS)
    ]  # fmt: skip
    header: dict[str, Any] = {"version": 2, "status": "success", "eval": {"task": "help", "model": "mockllm/model"}}
    header |= {"plan": {"name": "plan", "steps": []}, "results": {"total_samples": 3}, "stats": {}}
    log = json.dumps({**header, "samples": samples}, indent=2)
    yield Input("inspect-json", "2024-02-03T10-11-12+00-00_help_x.json", log.encode(), messages=TALKS)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("_journal/start.json", json.dumps({"version": 2, "eval": header["eval"]}))
        for sample in samples:
            archive.writestr(f"samples/{sample['id']}_epoch_1.json", json.dumps(sample))
        archive.writestr("_journal/summaries/1.json", json.dumps([{"id": 1, "epoch": 1, "input": TALKS[0][0]}]))
        archive.writestr("summaries.json", json.dumps([{"id": 1, "epoch": 1, "input": TALKS[0][0]}]))
        archive.writestr("header.json", json.dumps(header))
    yield Input("inspect-eval", "2024-02-03T10-11-12+00-00_help_x.eval", packed.getvalue(), messages=TALKS)
    yield Input("chatgpt-export", "conversations.json", json.dumps([_tree(talk) for talk in TALKS]).encode(),
                messages=TALKS, way_out=("--text-field",))  # fmt: skip

    slack = [
        {"type": "message", "user": f"U0{n}", "text": text, "ts": f"170695{n}000.000200", "team": "T1"}
        for n, text in enumerate(PLAIN)
    ]
    slack.insert(1, {"type": "message", "subtype": "channel_join", "user": "U9", "ts": "1706950500.0",
                     "text": "<@U9> has joined the channel"})  # fmt: skip
    yield Input("slack-export", "2024-02-03.json", json.dumps(slack, indent=4).encode(),
                [str(message["text"]) for message in slack])  # fmt: skip
    discord = {
        "guild": {"id": "1", "name": "Shop"}, "channel": {"id": "2", "name": "help", "topic": None},
        "exportedAt": "2024-02-03T10:11:12+00:00", "messageCount": 4,
        "messages": [
            {"id": str(n), "type": "Default", "timestamp": f"2024-02-03T10:1{n}:00+00:00", "isPinned": False,
             "content": text, "author": {"id": "9", "name": "ann", "nickname": "Ann"}, "attachments": []}
            for n, text in enumerate(PLAIN)
        ],
    }  # fmt: skip
    yield Input("discord-export", "help.json", json.dumps(discord, indent=2).encode(), PLAIN)
    two = [PLAIN[0], PLAIN[1] + "\nSecond line, 10:15 - not a message: really.", *PLAIN[2:]]
    android = "2/3/24, 9:10 PM - Messages and calls are end-to-end encrypted. Tap to learn more.\n"
    android += "".join(f"2/3/24, 9:1{n} PM - {'Ann' if n % 2 else '+49 170 1'}: {text}\n" for n, text in enumerate(two))
    yield Input("whatsapp-android", "WhatsApp Chat with Ann.txt", android.encode(), two)
    iphone = "[03.02.24, 21:10:00] Shop: \u200eMessages and calls are end-to-end encrypted.\r\n"
    iphone += "".join(f"[03.02.24, 21:1{n}:07] Ann: {text}\r\n" for n, text in enumerate(PLAIN))
    yield Input("whatsapp-iphone", "_chat.txt", iphone.encode(), PLAIN)
    telegram = {
        "name": "Ann", "type": "personal_chat", "id": 1,
        "messages": [
            {"id": n, "type": "message", "date": f"2024-02-03T10:1{n}:00", "from": "Ann", "from_id": "user1",
             "text": text if n else [text[:10], {"type": "bold", "text": text[10:20]}, text[20:]]}
            for n, text in enumerate(PLAIN)
        ],
    }  # fmt: skip
    telegram["messages"].append(
        {"id": 9, "type": "service", "date": "2024-02-03T10:20:00", "action": "phone_call", "text": ""}
    )
    yield Input("telegram-export", "result.json", json.dumps(telegram, indent=1).encode(), PLAIN)
    mails = "".join(
        f"From ann@example.org Sat Feb 03 10:1{n}:00 2024\nFrom: Ann <ann@example.org>\nSubject: Order {n}\n"
        f"Date: Sat, 03 Feb 2024 10:1{n}:00 +0000\nContent-Type: text/plain; charset=utf-8\n"
        f"Content-Transfer-Encoding: quoted-printable\n\n{text.replace('=', '=3D')}\n\n"
        for n, text in enumerate(PLAIN)
    )
    yield Input("mbox", "Inbox.mbox", mails.encode(), PLAIN)


def _tree(talk: list[str]) -> dict[str, Any]:
    """A conversation as ChatGPT exports it: a tree of messages, with an answer that was generated again."""
    mapping: dict[str, Any] = {"root": {"id": "root", "message": None, "parent": None, "children": ["n0"]}}
    for n, (who, text) in enumerate(zip(_ROLES, talk, strict=False)):
        message = {
            "id": f"n{n}", "author": {"role": who}, "create_time": 1706950000.0 + n,
            "content": {"content_type": "text", "parts": [text]},
        }  # fmt: skip
        children = [f"n{n + 1}"] if n + 1 < len(talk) else []
        mapping[f"n{n}"] = {
            "id": f"n{n}",
            "message": message,
            "parent": f"n{n - 1}" if n else "root",
            "children": children,
        }
    old = {"id": "x", "author": {"role": "assistant"}, "content": {"content_type": "text", "parts": ["Dropped."]}}
    mapping["x"] = {"id": "x", "message": old, "parent": "n0", "children": []}
    mapping["n0"]["children"].insert(0, "x")
    return {"title": "Chat", "create_time": 1706950000.0, "mapping": mapping, "current_node": f"n{len(talk) - 1}"}
