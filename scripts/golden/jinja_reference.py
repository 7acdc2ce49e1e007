"""jinja2 as transformers sets it up, for jinja.py and chat_templates.py: what a template gives, or how it fails."""

import datetime
import json
import re
import traceback

import jinja2
from transformers.utils import chat_template_utils

# The day that the tests set, JinjaOptions.fixedDay.
FIXED_DAY = datetime.datetime(2024, 7, 26)


class FixedTime(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return FIXED_DAY


chat_template_utils.datetime = FixedTime


def compiled(source):
    return chat_template_utils._compile_jinja_template(source)


def failure(error):
    """The class, the line and jinja2's own sentence; those of Python's errors differ from version to version."""
    own = isinstance(error, jinja2.TemplateError)
    line = getattr(error, "lineno", None)
    if line is None:
        frames = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == "<template>"]
        line = frames[-1] if frames else None
    return {"error": type(error).__name__, "line": line, "message": str(error) if own else None}


def outcome(source, variables):
    """What the template prints, or {"error": class, …}."""
    try:
        text = compiled(source).render(**variables)
    except Exception as error:  # whatever a template does wrong
        return failure(error)
    # Half a surrogate pair is no text outside of Python.
    if re.search("[\ud800-\udfff]", text):
        return {"error": "surrogate", "line": 1, "message": None}
    # An address in memory differs from run to run. JinjaTemplate refuses to print such a thing.
    return {"error": "address", "line": 1, "message": None} if re.search(r" at 0x[0-9a-f]+>", text) else text


def write(path, cases):
    """One case a line, so that changes can be read."""
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write("[\n")
        file.write(",\n".join(json.dumps(case, separators=(",", ":")) for case in cases))
        file.write("\n]\n")
