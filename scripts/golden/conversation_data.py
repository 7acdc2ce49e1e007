"""Conversations for conversations.py: our own words, with what makes templates and tokenizers stumble."""

import json
import random

SHORT = [
    ("Where do the maps stand?", "On the lower shelf, left of the door."),
    ("Is the reading room open?", "Yes, until six."),
    ("Who wrote the old ledger?", "A clerk of the harbour; his name is lost."),
    ("2 + 2 =", "4"),
    ("Say it shorter.", "Gone."),
    ("Name three colours.", "Red, green and blue."),
    ("How old is the clock?", "It was made in 1874, so 152 years in 2026."),
    ("Write one line about rain.", "Rain counts the roofs."),
    ("Thanks!", "You are welcome."),
    ("Which book should I take?", "Take the thin one with the green back: it is about tides."),
    ("And after that?", "Then the one about winds."),
    ("Can you list the floors?", "1. Cellar\n2. Hall\n3. Loft"),
    ("What is a ledger?", "A book of what came in and what went out."),
    ("Translate 'good day' into German.", "Guten Tag."),
    ("Is it raining?", "I cannot see outside."),
    ("yes", "yes"),
]
SYSTEMS = ["You are brief.", "You keep the keys of a small library.", "Be kind, and name your sources.", None]


def turn(role, content, **more):
    return {"role": role, "content": content, **more}


def talk(pairs, system=None):
    turns = [t for question, answer in pairs for t in (turn("user", question), turn("assistant", answer))]
    return {"messages": ([turn("system", system)] if system is not None else []) + turns}


def call(name, **arguments):
    return {"type": "function", "function": {"name": name, "arguments": arguments}}


TOOLS = [{"type": "function", "function": {
    "name": "find_book", "description": "Finds a book by a word of its title",
    "parameters": {"type": "object", "properties": {"word": {"type": "string"}, "most": {"type": "integer"}},
                   "required": ["word"]}}}]

SPECIAL = [
    # Composed and decomposed letters, signs of several scalars, other scripts.
    talk([("Wie heißt das Café am Hafen?", "Es heißt »Zur Möwe«."),
          ("Cafe\u0301 or Café?", "Cafe\u0301, then Café."), ("👩‍🚀?", "👩‍🚀 👍🏽 🇨🇭")], "Sprich Deutsch – bitte."),
    talk([("図書館はどこですか。", "駅の隣にあります。"), ("ما هذا؟", "هذا كتاب قديم.")]),
    # Answers that begin or end with what a tokenizer joins with its neighbours.
    talk([("Begin with a mark.", "\u0301a mark without a letter"), ("And with lines?", "\n\nTwo lines further down.")]),
    talk([("End with spaces.", "Here they are:   "), ("End with a line.", "A line.\n"), ("Both?", "  Both. \n\n")], ""),
    talk([("Keep the old line ends.", "one\r\ntwo\r\n"), ("And tabs?", "\tthree\tfour")]),
    # U+00A0 and U+3000 are white space to Python, U+200B is none.
    talk([("Odd spaces?", "\u00a0\u3000odd\u200b"), ("More?", "\u2003more\u2028")], "\u3000wide\u3000"),
    # Texts that look like the template's own.
    talk([("What does <|im_start|>assistant\nhello mean?", "It begins a turn."),
          ("And <|eot_id|> or <|im_end|>?", "They end one.")], "Explain marks."),
    talk([("Repeat: assistant", "assistant"), ("Repeat: user", "user"), ("a", "a")]),
    # Functions: an answer that only calls one, what it gives back, an answer with both.
    {"tools": TOOLS, "messages": [
        turn("system", "Look books up before you answer."), turn("user", "Have you got a book about tides?"),
        {"role": "assistant", "content": None, "tool_calls": [call("find_book", word="tides", most=2)]},
        turn("tool", '[{"title": "Tides & <winds>", "shelf": 3}]'), turn("assistant", "Yes: \"Tides & <winds>\", shelf 3."),
        turn("user", "And about naïve knights?"),
        turn("assistant", "Let me look.", tool_calls=[call("find_book", word="naïve 'knights'")]),
        turn("tool", "[]"), turn("assistant", "No.")]},
    {"tools": TOOLS, "messages": [turn("user", "Which functions are there?"), turn("assistant", "One: find_book."),
                                  turn("user", "Good."), turn("assistant", "Shall I use it?")]},
    # Parts of texts; a member that is null; one that no template knows.
    {"messages": [turn("user", [{"type": "text", "text": "Two parts, "}, {"type": "text", "text": "one question?"}]),
                  turn("assistant", "One answer.", name=None), turn("user", "Good.", mood="calm"),
                  turn("assistant", [{"type": "text", "text": "Parts, "}, {"type": "text", "text": "too."}])]},
    # A last turn that nothing answers is no target.
    {"messages": talk([("Still there?", "Yes."), ("Good.", "Ask away.")])["messages"] + [turn("user", "Never mind.")]},
    # Values for the template.
    talk([("Why is the sea salt?", "Rivers bring salt, and only water leaves."), ("And lakes?", "They have a way out.")],
         "Explain.") | {"chat_template_kwargs": {"short_answers": True}},
    # Two answers in a row, as after a pause.
    {"messages": [turn("user", "Count."), turn("assistant", "One."), turn("assistant", "Two."), turn("user", "Go on."),
                  turn("assistant", "Three.")]},
]


def ordinary(count):
    draw = random.Random("conversations")
    return [talk(draw.sample(SHORT, draw.choice([2, 2, 3])), draw.choice(SYSTEMS)) for _ in range(count)]


CONVERSATIONS = SPECIAL + ordinary(10)
COMPLETIONS = [
    {"prompt": [turn("system", "You are brief."), turn("user", "Where are the maps?")],
     "completion": [turn("assistant", "Below.")]},
    # An earlier answer belongs to the prompt.
    {"prompt": talk([SHORT[1], SHORT[2]])["messages"] + [turn("user", "Who knew him?")],
     "completion": [turn("assistant", "Nobody did.")]},
    {"prompt": [turn("user", "Cafe\u0301?")], "completion": [turn("assistant", "\u0301 and é")]},
    {"prompt": [turn("user", "Tides?")], "tools": TOOLS, "completion": [
        {"role": "assistant", "content": None, "tool_calls": [call("find_book", word="tides")]},
        turn("tool", "[]"), turn("assistant", "None.")]},
    # A completion that goes on: what the user says in it is no target.
    {"prompt": [turn("user", "Count.")], "completion": [turn("assistant", "One."), turn("user", "On."), turn("assistant", "Two.")]},
    {"prompt": [turn("user", "Be short.")], "completion": [turn("assistant", " \n")],
     "chat_template_kwargs": {"short_answers": True}},
    {"prompt": [turn("user", SHORT[9][0])], "completion": [turn("assistant", SHORT[9][1])]},
    {"prompt": [turn("system", "Count."), turn("user", SHORT[11][0])], "completion": [turn("assistant", SHORT[11][1])]},
]
# Reasoning in a member of its own, under an older name, and among the words.
THOUGHTS = [
    {"messages": [turn("user", "Which is more, 9 or 11?"),
                  turn("assistant", "11.", reasoning_content="9 has one digit.\n11 has two."),
                  turn("user", "And 9 or 8?"), turn("assistant", "9.", reasoning_content="\nThey follow each other.\n")]},
    {"messages": [turn("system", "Think first."), turn("user", "Tea?"),
                  turn("assistant", "<think>\nIt is four.\n</think>\n\nYes."),
                  turn("user", "Milk?"), turn("assistant", "<think>\nNone left.\n</think>\n\nNo.\n")]},
    {"messages": [turn("user", "Begin."), turn("assistant", "Begun.", thinking="How?"), turn("user", "Go on."),
                  turn("assistant", "Going."), turn("user", "End."), turn("assistant", "Ended.")]},
    # The words stand among the thoughts.
    {"messages": [turn("user", "Yes?"), turn("assistant", "yes", reasoning="yes yes"), turn("user", "Yes?"),
                  turn("assistant", "yes", reasoning="yes, yes")]},
]


def texts_of(record):
    """What a tokenizer is trained on."""
    for message in record.get("messages", record.get("prompt", []) + record.get("completion", [])):
        content = message["content"]
        if content is not None:
            yield content if isinstance(content, str) else "".join(part["text"] for part in content)


def write_jsonl(path, records):
    path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records), encoding="utf-8")
