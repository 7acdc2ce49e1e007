"""Chat templates in the style of published ones, and what transformers' apply_chat_template makes of conversations.

    python scripts/golden/chat_templates.py    # rewrites Tests/JinjaTests/Golden/chat_templates.json and the variants

Tests/JinjaTests/Golden/templates holds the templates, all written for this test. Of NAME.generation.jinja, which marks
with {% generation %} what the assistant writes, this script makes NAME.jinja, the same without the marks.

The result's first element holds the conversations. The others are
[template, conversation, text or error, what add_generation_prompt adds, spans of the marks in bytes of UTF-8].
An added part that is no mere addition is {"text": …} or an error. Long texts are {"bytes": …, "sha256": …}.
"""

import copy
import hashlib
import pathlib
import re
import sys

import jinja_reference

# tokenizers.py beside this file is not the library.
sys.path.pop(0)
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast
from transformers.utils import chat_template_utils

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "Tests/JinjaTests/Golden"
# Above this many bytes only a digest is stored.
LONG = 1500


def user(content, **more):
    return {"role": "user", "content": content, **more}


def assistant(content, **more):
    return {"role": "assistant", "content": content, **more}


def system(content):
    return {"role": "system", "content": content}


def call(name, arguments, identifier="abcdefgh1", **more):
    return {"id": identifier, "type": "function", "function": {"name": name, "arguments": arguments}, **more}


WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a place.",
        "parameters": {
            "type": "object",
            "properties": {
                "place": {"type": "string", "description": "A town, \"quoted\" & <marked>"},
                "days": {"type": "integer", "default": 3},
                "unit": {"type": "string", "enum": ["°C", "°F"], "description": "Unit\u2028of degrees"},
            },
            "required": ["place"],
        },
    },
}
SEARCH = {
    "type": "function",
    "function": {
        "name": "search",
        "description": "Finds texts\nin two lines.",
        "parameters": {
            "type": "object",
            "properties": {
                "words": {"type": "array", "items": {"type": "string"}},
                "filters": {"type": "object", "properties": {"year": {"type": "number"}}, "additionalProperties": {"type": "string"}},
                "exact": {"type": ["boolean", "null"], "description": "Is it exact?"},
            },
        },
    },
}

CONVERSATIONS = [
    {"messages": [user("Hello!"), assistant("Hi, what is it?"), user("2+2?"), assistant("4")]},
    {"messages": [system("Be short."), user("One?"), assistant("1"), user("Two?"), assistant("2"), user("Three?")]},
    {"messages": [system("  Système  "), user("  ca\u0301fe\u0301 \U0001f469\u200d\U0001f469\u200d\U0001f467 \u4f60\u597d\r\nnext line\t "),
                  assistant("\n\u00e9 = e\u0301? \U0001f44d\U0001f3fd\r\n\r\n  "), user("\u00a0\u2003x\u200b\n"), assistant("\u0639\u0631\u0628\u064a \ufeff")]},
    {"messages": [system(""), user(""), assistant(""), user(" "), assistant("\n")]},
    {"messages": [user("Weather in Ulm?"), assistant("", tool_calls=[call("weather", {"place": "Ulm", "days": 2})]),
                  {"role": "tool", "name": "weather", "tool_call_id": "abcdefgh1", "content": "{\"t\": 21.5}"},
                  assistant("It is 21.5 °C."), user("Thanks <3 & 'bye'")], "tools": [WEATHER]},
    {"messages": [system("Use functions."), user("Find it"),
                  assistant(None, tool_calls=[call("search", "{\"words\": [\"a\"]}", "call_0001"), call("weather", {}, "call_0002")]),
                  {"role": "tool", "tool_call_id": "call_0001", "content": "none"},
                  {"role": "tool", "tool_call_id": "call_0002", "content": "rain"}], "tools": [SEARCH, WEATHER]},
    {"messages": [system([{"type": "text", "text": "Look."}]),
                  user([{"type": "text", "text": " What is "}, {"type": "image", "url": "x.png"}, {"type": "text", "text": "this? "}]),
                  assistant([{"type": "text", "text": "A cat."}]), user("Sure?")]},
    {"messages": [system("Only asked."), user("Who are you?")]},
    {"messages": [user("One."), user("Two."), assistant("Three.")]},
    {"messages": [system("Long. " * 40)] + [turn for n in range(20) for turn in (user(f"Question {n}: " + "why? " * n), assistant("Because. " * (n % 7) + str(n)))]},
    {"messages": [user("A riddle"), assistant("<think>\nhm,\nhm\n</think>\n\nThe sea", reasoning_content="let me see"), user("Another"),
                  assistant("<think>wait</think>The wind", thinking="so\nso"), user("</think> odd")], "others": {"enable_thinking": False}},
    {"messages": [{"role": "developer", "content": "Rules"}, {"role": "user", "name": "Ann", "content": "Hi", "weight": 1.5},
                  assistant("Yes", flag=True, score=None, logprobs=[-0.25, 1e-05, 1e16])],
     "documents": [{"title": "A long title", "text": "some words here, and some more of them"}, {"text": "x"}],
     "others": {"reasoning_effort": "low", "date_string": "1 May 2020", "controls": {"length": "short"}}},
    {"messages": [assistant("I begin."), user("q\"uo'te \\ \n"), assistant("{\"json\": [1, 2]} {{ x }} {% y %}")], "tools": [WEATHER, SEARCH]},
]


def tokenizer():
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel({"<unk>": 0, "<s>": 1, "</s>": 2}, unk_token="<unk>")),
        bos_token="<s>", eos_token="</s>", unk_token="<unk>", clean_up_tokenization_spaces=False)


TOKENIZER = tokenizer()


def text(source, conversation, prompt):
    conversation = copy.deepcopy(conversation)
    try:
        return TOKENIZER.apply_chat_template(
            conversation["messages"], chat_template=source, tools=conversation.get("tools"),
            documents=conversation.get("documents"), add_generation_prompt=prompt, tokenize=False,
            **conversation.get("others", {}))
    except Exception as error:  # whatever a template does wrong
        return jinja_reference.failure(error)


def spans(source, conversation):
    """Where the marks are, in bytes."""
    conversation = copy.deepcopy(conversation)
    # As apply_chat_template does.
    messages = [{key: value for key, value in turn.items() if value is not None} for turn in conversation["messages"]]
    rendered, indices = chat_template_utils.render_jinja_template(
        [messages], tools=conversation.get("tools"), documents=conversation.get("documents"),
        chat_template=source, return_assistant_tokens_mask=True, **TOKENIZER.special_tokens_map,
        **conversation.get("others", {}))
    return [[len(rendered[0][:place].encode()) for place in span] for span in indices[0]]


def stored(text):
    if isinstance(text, dict) or len(text.encode()) <= LONG:
        return text
    return {"bytes": len(text.encode()), "sha256": hashlib.sha256(text.encode()).hexdigest()}


def addition(plain, prompted):
    if isinstance(prompted, dict):
        return prompted
    if isinstance(plain, str) and prompted.startswith(plain):
        return prompted[len(plain):]
    return {"text": stored(prompted)}


def without_marks(source):
    """Marks within a line go; others become conditions that hold, so that spaces stay alike."""
    source = re.sub(r"\{% generation %\}([^\n]*?)\{% endgeneration %\}(?!\n)", r"\1", source)
    source = re.sub(r"(\{%-? )generation( -?%\})", r"\1if true\2", source)
    return re.sub(r"(\{%-? )endgeneration( -?%\})", r"\1endif\2", source)


def main():
    folder = GOLDEN / "templates"
    for path in sorted(folder.glob("*.generation.jinja")):
        plain = path.with_name(path.name.replace(".generation", ""))
        plain.write_text(without_marks(path.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")
    cases, errors, marked = [], 0, 0
    for path in sorted(folder.glob("*.jinja")):
        source = path.read_text(encoding="utf-8")
        is_marked = path.name.endswith(".generation.jinja")
        for number, conversation in enumerate(CONVERSATIONS):
            plain, prompted = (text(source, conversation, prompt) for prompt in (False, True))
            errors += isinstance(plain, dict)
            case = [path.name, number, stored(plain), addition(plain, prompted)]
            if is_marked:
                marked += 1
                # The text is that of the template without marks.
                unmarked = (folder / path.name.replace(".generation", "")).read_text(encoding="utf-8")
                for prompt, marked_text in ((False, plain), (True, prompted)):
                    bare = text(unmarked, conversation, prompt)
                    same = bare == marked_text or isinstance(bare, dict) and isinstance(marked_text, dict)
                    assert same, (path.name, number, bare, marked_text)
                case = [path.name, number, None, None, spans(source, conversation) if isinstance(plain, str) else None]
                if isinstance(plain, dict):
                    case[2] = plain
            cases.append(case)
    jinja_reference.write(GOLDEN / "chat_templates.json", [CONVERSATIONS] + cases)
    print(f"{len(cases)} cases, {marked} of them with marks, {errors} of them errors")


if __name__ == "__main__":
    main()
