"""Small templates and what jinja2 makes of them, as transformers sets it up.

    python scripts/golden/jinja.py      # rewrites Tests/JinjaTests/Golden/expressions.json

The file's first element holds the variables of all cases. A case is [template, text or error]. The last part of the table
is made at random from a fixed seed.
"""

import copy
import pathlib
import random
import warnings

import jinja_reference

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "Tests/JinjaTests/Golden"

VALUES = {
    "s": "Hello World", "e": "", "u": "e\u0301\u00e9 \U0001f600\u200d", "sp": "  a b\t\n", "n": 7, "z": 0, "m": -3,
    "f": 2.5, "t": True, "no": False, "nil": None, "xs": [3, 1, 2], "ss": ["b", "A", "a"], "el": [],
    "d": {"b": 1, "a": "x", "c": None}, "ed": {}, "nested": {"k": {"l": [1, {"m": "deep"}]}},
    "ms": [{"role": "user", "content": "hi", "n": 2}, {"role": "assistant", "content": "yo", "n": 1},
           {"role": "user", "content": "", "n": 3}],
    "q": "it's \"q\" \\ \n\u0007\u00ad", "lines": "a\nb\r\n\nc", "items_key": {"items": 5, "get": 6, "x": 7},
    "html": "<a href='x'>&</a>", "num": "42", "fl": " -1.5e2 ", "big": 123456789012, "mix": [1, "a", None, 2.0, True],
    "inf": "inf", "nan": "-nan", "huge": "1e400",
}

# What stands between {{ and }}.
EXPRESSIONS = r"""
1 + 2 * 3 - 4
7 // 2, -7 // 2, 7 // -2, 7 % 3, -7 % 3, 7 % -3
7 / 2, 6 / 3, -1 / 4
7.5 // 2, -7.5 // 2, 7.5 % 2, -7.5 % 2, 7.5 % -2, -0.0, 0.0 * -1
2 ** 10, 2 ** -1, 2 ** 0.5, 2 ** 3 ** 2, (-2) ** 3, -2 ** 2, 0 ** 0
1 / 0
1 // 0
1 % 0
1.0 / 0
1.0 // 0
1.0 % 0
0 ** -1
1e16, 1e15, 123456789.125, 1e-4, 1e-5, 0.1 + 0.2, 1.0, 100000000000000000000.0, 1.5e300, 5e-324
1_000, 0x1f, 0o17, 0b101, 1_0.5e-1, 00, 0
true, false, none, True, False, None
true + 1, true * 2.5, -true, +false, not true
s + " " + num, "a" "b" 'c', s * 2, 2 * "ab", "x" * -1
s + 1
1 + s
[1] + [2], (1,) + (2,), [1, 2] * 2, [0] * 3
[1] + (2,)
s ~ n ~ nil ~ f ~ xs ~ d ~ missing
1 < 2 < 3, 1 < 3 < 2, 1 == 1.0, 1 == true, "a" < "b", "B" < "a", [1, 2] < [1, 3], (1,) < (1, 0)
"\u00e9" == "e\u0301", "\u00e9" < "e\u0301", "\uffff" < "\U00010000"
1 < "a"
none < 1
[1] < 1
d < d
1 == "1", none == false, [] == (), {} == {}, {"a": 1, "b": [2]} == {"b": [2], "a": 1.0}, xs == [3, 1, 2]
3 in xs, 4 in xs, 3 not in xs, "a" in d, "zz" in d, "ell" in s, "" in s, 1.0 in [1], true in [1]
1 in s
1 in n
"a" in missing, missing in xs, missing == missing2, missing != 1
missing in s
1 and 2, 0 and 2, 1 or 2, 0 or "", "" or [] or nil, not 0, not "a", not not xs
"yes" if t else "no", "yes" if no, "a" if no else "b" if t else "c"
("yes" if no).x
xs[0], xs[-1], xs[1:], xs[:-1], xs[::-1], xs[::2], xs[5:], xs[-2:5], xs[2:0:-1], xs[:0], xs[-100:100]
s[0], s[-1], s[1:3], s[::-1], s[::2], s[:-3], s[20:], u[0], u[1], u[-1], u[::-1], u[3:], u|length
xs[::0]
s["a":]
nil[1:]
d["a":]
(1, 2, 3)[1:], (1, 2, 3)[::-1], (1,)[0], ()
xs[10], xs["a"], xs[1.0], d["a"], d["zz"], d[1], n["x"], nil["x"], s[100], s["x"]
xs[10].y
xs["a"].y
d.zz.y
d["zz"]["y"]
n.x.y
nil.x.y
missing.x
missing["x"]
missing[1:]
missing()
d.foo()
s.foo()
xs.append(4)
xs.append
d.update({})
d.pop("a")
d.setdefault("a", 1)
xs.__class__, s.__len__, d.__init__
xs.__class__.x
xs.sort()
n()
nil()
"a"()
missing + 1
1 + missing
missing + "a"
"a" + missing
missing < 1
1 < missing
-missing
missing ** 2
missing * 2
missing % 2
missing // 1
missing, missing|length, missing|list, missing|join, missing|trim, missing|upper, missing|default("x")
missing is defined, missing is undefined, missing is none, missing is string, missing is mapping, missing is iterable
missing is sequence, missing is callable, missing is number, missing is lower
missing is odd
missing|int
missing|float
missing|abs
missing|round
missing|tojson
missing|first, missing|last
missing|first
[missing], (missing,), {"a": missing}
d.a, d.b, d.items(), d.keys(), d.values(), d.get("a"), d.get("zz"), d.get("zz", 5), d|length
d.items()|list, d.keys()|list, d.values()|list, d|items|list, d|list, d.copy(), d.items()|length
d.items() == d.items(), d.keys() == d.copy().keys(), "a" in d.keys(), ("b", 1) in d.items(), 1 in d.values()
d.items()[0]
items_key.items, items_key.x, items_key["items"], items_key.items()|list, items_key.get("get")
items_key["get"], items_key.get
{}, {"a": 1}, {1: 2, true: 3, 1.0: 4}, {none: 1, (1, 2): [3]}, {"a": {"b": []}}, {"x": 1, "x": 2}
{[1]: 2}
{(1, [2]): 2}
d[[1]], xs[[1]]
d.get([1])
[1, [2, (3, "a'b")], {"k": 'q"q'}], ("a",), 'both \' and "'
q, [q], [u], ["\u200b", "\ue000", "\U000e0001", "\x7f", "\xa0", "\t\r"]
nested.k.l[1].m, nested["k"]["l"][0], nested.k.l.1.m, nested.k.l[5].m is defined
ms[0].role, ms[-1]["content"], ms|length, ms[0]
s.upper(), s.lower(), s.title(), s.capitalize(), s.swapcase(), "hELLO wORLD".title(), "o'neil x2y".title(), "".capitalize()
"stra\u00dfe".upper(), "\u0130".lower(), "\u03a3\u03a3 \u03a3a\u03a3.".lower(), "\u01c6x".title(), "\u01c6X".capitalize(), "\ufb01".upper()
sp.strip(), sp.lstrip(), sp.rstrip(), "xxaxx".strip("x"), "abcba".lstrip("ab"), "abcba".rstrip("ab"), "\u00a0a\u2003\u200b".strip()
[sp.strip(none), "\x1c\x1f\x85a".strip(), "a\ufeff ".rstrip()]
s.split(), s.split("o"), s.split("o", 1), s.split("zz"), "".split(), "".split(","), " a  b ".split(), " a  b ".split(" ")
" a  b  c ".split(none, 1), " a  b  c ".rsplit(none, 1), "a,b,c".rsplit(",", 1), "a,b,c".split(",", maxsplit=1), "a,b".split(sep=",")
"aaaa".split("aa"), "aaaaa".rsplit("aa"), "aaa".replace("aa", "b"), "a,b,c".split(",", 0), "a b".split(none, 0), "abc".rsplit("c", 0)
s.split("")
"a".split(1)
"<think>x</think>y".split("</think>")[-1], "a</think>".split("</think>")[-1], "x".partition("y"), "a=b=c".partition("="), "a=b=c".rpartition("="), "x".rpartition("y")
s.startswith("He"), s.startswith("x"), s.startswith(("x", "H")), s.endswith("ld"), s.startswith("W", 6), s.startswith(""), s.endswith("o", 0, 5), s.startswith("", 50)
s.startswith(1)
s.startswith(["H"])
s.startswith()
s.find("o"), s.find("o", 5), s.rfind("o"), s.find("zz"), s.index("W"), s.rindex("l"), s.count("o"), s.count("l", 3, 5), s.count(""), u.find("\u00e9"), u.find("\U0001f600"), "".find(""), "abc".rfind(""), "abc".find("", 4)
s.index("zz")
s.replace("o", "0"), s.replace("o", "0", 1), s.replace("", "-"), s.replace("zz", "x"), "abc".replace("", "-", 2), s.replace("l", ""), "".replace("", "x"), s.replace("o", "0", 0), s.replace("o", "0", -1)
s.replace("o")
", ".join(["a", "b"]), "".join([]), "-".join("abc"), "-".join(d), ",".join(("x",))
", ".join([1])
"7".zfill(3), "-7".zfill(4), "+".zfill(3), "ab".center(7, "*"), "abc".center(6), "ab".ljust(4) ~ "|", "ab".rjust(4, "0"), "abc".center(2), "a".center(4) ~ "|"
"a\tb".expandtabs(), "a\tb".expandtabs(4), "\t".expandtabs(0)
"12".isdigit(), "\u00b2".isdigit(), "\u00b2".isdecimal(), "\u00bd".isnumeric(), "".isdigit(), "a1".isalnum(), "a".isalpha(), " ".isspace(), "Ab".islower(), "AB1".isupper(), "Ab Cd".istitle(), "a_1".isidentifier(), "1a".isidentifier(), "\u00e9".isascii(), "\u0301".isalpha(), "\n".isprintable()
"abc".removeprefix("a"), "abc".removesuffix("c"), "abc".removeprefix("x"), "a".casefold()
lines.splitlines(), lines.splitlines(true), "".splitlines(), "a\n".splitlines(), "a\x0bb\x1cc\u2028d\x85e".splitlines(), lines.split("\n")
"{} {}".format(1, "a"), "{1} {0}".format(1, 2), "{a}".format(a=3), "{:>5}|{:<5}|{:^5}".format(1, "a", "b"), "{:05d}".format(-42), "{:.2f}".format(3.14159), "{:,}".format(1234567), "{:x} {:#x} {:b}".format(255, 255, 5), "{{}}".format(), "{0[a]} {1.x}".format({"a": 5}, {"x": 6}), "{!r}".format("a"), "{:+d}".format(3), "{:%}".format(0.25), "{:e}".format(12345.678), "{:*^7}".format("ab"), "{:>{w}}".format(1, w=4), "{}".format(none), "{}".format([1, "a"])
"{}".format()
"{x}".format()
"{:d}".format("a")
"{".format()
"%s %d %5.2f %x %r" % ("a", 3.9, 2.345, 255, "q"), "%s" % n, "%5s|%-5s|%05d" % ("a", "b", -42), "%%" % (), "%(a)s %(b)s" % d, "%s" % [1, 2], "%.3s" % "abcdef", "%c%c" % (65, "b"), "%+d % d" % (1, 2), "%e %g %G" % (12345.678, 0.00001, 1e20), "%o %#o %#x" % (8, 8, 255), "%i" % true, "%.3d" % 7, "%s" % missing
"%d" % "a"
"%s %s" % "a"
"%s" % (1, 2)
"%y" % 1
"a" % 1
"%s"|format("x"), "%s %s"|format(1, 2), "%(x)s"|format(x=1)
xs.index(1), xs.count(3), (1, 2, 1).count(1), xs.copy(), [1, 2, 3, 2].index(2, 2)
xs.index(9)
xs|sort, xs|sort(reverse=true), ss|sort, ss|sort(case_sensitive=true), ms|sort(attribute="n")|map(attribute="n")|list, ms|sort(attribute="role,n")|map(attribute="n")|list, ms|sort(true, attribute="role")|map(attribute="n")|list
mix|sort
xs|max, xs|min, ss|max, ss|min(case_sensitive=true), []|max, ms|max(attribute="n")
xs|sum, [1.5, 2]|sum, []|sum, ms|sum(attribute="n"), xs|sum(start=10), [[1], [2]]|sum(start=[])
ss|sum
ss|unique|list, [1, 1.0, true, 2, "1"]|unique|list, ss|unique(true)|list, ms|unique(attribute="role")|map(attribute="n")|list
[[1]]|unique|list
xs|first, xs|last, []|first, []|last, s|first, s|last, d|first, d|last
[]|first|upper, ([]|first) is defined
(xs|map("string"))|last
n|first
xs|reverse|list, s|reverse, d|reverse|list, (1, 2)|reverse|list, range(3)|reverse|list
n|reverse
xs|join, xs|join(", "), ms|join("|", attribute="role"), ms|join("|", "n"), d|join("-"), s|join("."), [none, 1.0]|join(",")
xs|length, s|length, d|count, n|string, nil|string, 1.0|string, "a"|string
n|length
(xs|map("string"))|length
xs|map("string")|list, ms|map(attribute="role")|list, ms|map(attribute="zz")|list, ms|map(attribute="zz", default="D")|list, ss|map("upper")|join, ss|map("replace", "a", "z")|list, [[3, 1]]|map("sort")|list, [[1, 2]]|map("last")|list, nested.k|items|map("first")|list, [{"a": {"b": 1}}]|map(attribute="a.b")|list, [[5, 6]]|map(attribute=1)|list, [[5, 6]]|map(attribute="1")|list
xs|map|list
xs|map("nofilter")|list
xs|map(nofilter)|list
xs|map(attribute="a", foo=1)|list
missing|map("upper")|list, []|map|list, el|select("nope")|list
xs|select("odd")|list, xs|reject("odd")|list, mix|select|list, mix|reject|list, mix|select("string")|list, xs|select("gt", 1)|list, xs|select(">", 1)|list, xs|select("in", [1, 2])|list, xs|select("divisibleby", 3)|list, ss|reject("equalto", "a")|list
ms|selectattr("role", "equalto", "user")|map(attribute="n")|list, ms|selectattr("content")|list|length, ms|rejectattr("role", "eq", "user")|list|length, ms|selectattr("zz", "defined")|list, ms|selectattr("zz", "undefined")|list|length, ms|rejectattr("content")|map(attribute="n")|list
xs|select("notest")|list
ms|selectattr|list
ms|groupby("role")|length, (ms|groupby("role"))[0].grouper, (ms|groupby("role"))[1].list|length, ms|groupby("role")|map("first")|list, (ms|groupby("zz", default="x"))[0][0], [{"k": "B"}, {"k": "b"}, {"k": "a"}]|groupby("k")|map(attribute="grouper")|list, ms|groupby("n")|list
xs|batch(2)|list, xs|batch(2, "-")|list, range(7)|batch(3)|list, []|batch(3)|list, xs|batch(0)|list
range(7)|slice(3)|list, range(7)|slice(3, "-")|list, []|slice(2)|list
xs|slice(0)|list
d|dictsort, d|dictsort(true), {"B": 1, "a": 2}|dictsort, {"B": 1, "a": 2}|dictsort(true), {"a": 2, "b": 1}|dictsort(false, "value"), {"a": 2, "b": 1}|dictsort(reverse=true)
d|dictsort(by="x")
xs|dictsort
d|dictsort(false, "value")
d|items|list, missing|items|list
xs|items|list
"a b-c (d"|title, "HELLO"|capitalize, s|upper, s|lower, 5|upper, nil|lower, true|title, "it's"|title
sp|trim, "xax"|trim("x"), 5|trim, " \u00a0a"|trim, [1]|trim
s|replace("o", "0"), s|replace("o", "0", 1), 515|replace(5, 6), "aaa"|replace("a", "b", count=2)
num|int, fl|float, "1.9"|int, "-3"|int, "x"|int, "x"|int(9), nil|int, [1]|int(3), "0x1f"|int(base=16), "1f"|int(0, 16), "1_0"|int, " 5 "|int, "1e3"|int, 2.9|int, -2.9|int, true|int, ""|int(4), "inf"|int(7), "0b11"|int(0, 2), "zz"|int(0, 36)
"x"|float, "x"|float(1.5), "1_0.5"|float, inf|float, nan|float, 3|float, nil|float, huge|float, ".5"|float, "5."|float, "."|float, true|float
n|abs, m|abs, -2.5|abs, (-2.5)|abs
"a"|abs
2.5|round, 3.5|round, 2.675|round(2), 42|round, 42.55|round(1), 42.55|round(1, "floor"), 42.51|round(0, "ceil"), -2.5|round, 1234|round(-2), 1250|round(-2), 1234.5|round(-2), 1e300|round, 7|round(2, "floor"), -0.4|round
2.5|round(0, "x")
"a"|round
default|default("x"), nil|default("x"), nil|default("x", true), ""|default("y", boolean=true), 0|d(5), 0|d(5, true), missing|default, (missing|default)|length
xs|tojson, d|tojson, s|tojson, u|tojson, u|tojson(ensure_ascii=true), q|tojson, html|tojson, nil|tojson, 1.0|tojson, 1e20|tojson, [1, (2, "a")]|tojson, {}|tojson, []|tojson, "\u2028\x7f\x00"|tojson, (inf|float)|tojson, [inf|float, nan|float]
d|tojson(indent=2), nested|tojson(indent=4), xs|tojson(indent=0), {}|tojson(indent=2), [[], {}]|tojson(indent=1), d|tojson(indent="\t"), d|tojson(true, 2), xs|tojson(indent=none)
d|tojson(separators=(",", ":")), nested|tojson(separators=[", ", "="]), d|tojson(sort_keys=true), {"b": 1, "a": {"d": 1, "c": 2}}|tojson(sort_keys=true, indent=1), xs|tojson(indent=2, separators=(",", ": "))
{1: 2, none: 3, true: 4, 1.5: 5}|tojson
{(1, 2): 3}|tojson
{1: 2, "a": 3}|tojson(sort_keys=true)
(xs|map("string"))|tojson
s.upper|tojson
d.items()|tojson
range(3)|tojson
{"a": missing}|tojson
html|escape, html|e, html|safe, html|forceescape, html|e|e, 5|e, (html|safe)|upper
("<b>"|safe) + "<", "<" + ("<b>"|safe), ("<b>"|safe) ~ "<", ("<b>"|safe) * 2, [html|safe]
("%s"|safe) % "<", ("<{}>"|safe).format("<"), ("<"|safe).join(["<", ">"|safe]), ("<a>"|safe).replace("a", "<"), ("a<"|safe)[1:], ("<a <b"|safe).split(), html|safe|length, (html|safe) is escaped, html is escaped
"foo bar baz qux"|truncate(9), "foo bar baz qux"|truncate(9, true), "foo bar baz qux"|truncate(11), "foo bar baz qux"|truncate(11, false, "...", 0), "short"|truncate, "abcdefghij"|truncate(5, leeway=0), "abcdefghij"|truncate(5, true, "", 0)
"abc"|truncate(2)
lines|indent, lines|indent(2, true), lines|indent(2, first=true, blank=true), lines|indent(">> "), ""|indent, "a\n\nb\n"|indent(1), "a"|indent(0)
5|indent
"a b  c_d e\u0301-f"|wordcount, ""|wordcount, s|center(20), s|center ~ "|", 5|center(3)
1000|filesizeformat, 1|filesizeformat, 1500000|filesizeformat, 1024|filesizeformat(true), 999|filesizeformat, 12345678|filesizeformat(binary=true), 0|filesizeformat
xs|attr("count"), d|attr("a"), d|attr("zz"), s|attr("upper") is callable
d|attr("a") is defined, s|attr("nope") is defined, s|attr("upper")
xs|nofilter
xs is notest
"x" if no else xs|nofilter
xs|nofilter if no else "ok"
n is odd, n is even, n is divisibleby 7, n is divisibleby(2), n is defined, n is number, n is integer, f is float, f is number, t is boolean, t is number, t is integer, t is true, no is false, n is true, 1 is true
s is string, d is mapping, xs is sequence, d is sequence, s is sequence, s is iterable, n is iterable, xs is iterable, nil is none, n is none, xs is mapping, range(2) is sequence, d.items() is sequence, d.items() is iterable, (xs|map("int")) is sequence, (xs|map("int")) is iterable
"a" is lower, "A" is lower, "A" is upper, "1" is upper, nil is lower, n is eq 7, n is equalto(7), n is ne 7, n is gt 3, n is lt 3, n is ge 7, n is le 7, n is sameas 7, nil is sameas none, n is in [7], s is in d, "a" is in d
n is in 7
n is eq
n is not odd, n is not none, not n is odd, n is not defined or t, n is defined and t
"upper" is filter, "nope" is filter, "odd" is test, "nope" is test, range is callable, s is callable, s.upper is callable, raise_exception is callable
n is defined is none
n is equalto 7 and t, "x" is string ~ "y", n is divisibleby 7 == true
range(5)|list, range(2, 5)|list, range(0, 10, 3)|list, range(5, 0, -2)|list, range(0)|list, range(3), range(1, 5, 2), range(5)[1], range(5)[-1], range(5)[1:3], 2 in range(3), 2.0 in range(3), 5 in range(3), range(5)|length, range(3) == range(0, 3), "a" in range(3), range(3)|first, range(3)|last, range(-3)|list, range(10)[::-2], range(3).start, range(true)|list
range(100001)
range(1000000000000)
range(1, 2, 0)
range("a")
range(1.0)
range()
dict(a=1, b=2), dict([("x", 1)], y=2), dict({"q": 1}), dict(), dict.fromkeys(["a", "b"], 1), dict.fromkeys("ab")
dict(1)
dict([(1, 2, 3)])
namespace(a=1).a, namespace({"b": 2}).b, namespace().x is defined, namespace(a=1), namespace(a=1)["a"], namespace(a="x", b=[1])
namespace(_a=1)
namespace(a=1).b.c
joiner()() ~ joiner("|")(), cycler(1, 2).next(), cycler("a").current
cycler()
raise_exception("bad " ~ n)
raise_exception("quote ' \" \n second")
raise_exception()
strftime_now("%Y-%m-%d"), strftime_now("%d %b %Y"), strftime_now("%A %B %-d, %H:%M:%S %p %j %U %w %y %% %f|%z|%Z"), strftime_now(""), strftime_now("\u00e9 %D %e"), strftime_now("%")
strftime_now(5)
strftime_now()
lipsum is callable
(1, 2), (1,), 1, 2
[1, 2,], (1, 2,), {"a": 1,}
s|upper|lower|title|length, (s|upper)[0], -n|abs, (-n)|abs, -f|round, not n|default(0), s.upper()|lower
1 if t else 2 if no else 3, (1 if no) is defined, [1 if no]
n if n > 5 and not no or nil else "x"
"a" ~ 1 + 2, "a" ~ 2 * 3, 1 ~ 2 == "12", 1 + 2 ~ 3
a.b.c is defined
d.a.b is defined, d.zz is defined, d["zz"] is defined
nested.k.l|map("string")|join("; ")
xs|list == xs, xs|sort is sameas xs, xs is sameas xs
"\x41\u00e9\101\t\a" "\q" '\'', "a\
b"
"\xg"
"\ud800"
'unterminated
n +
(n
n)
[n
{n}
n n
n..x
n.5.
@
n ! 1
5abc
"a" is
|upper
s|
s[
s[]
s.1.2, xs.1, xs.-1
f(**1)
d.get(*["a"]), d.get(*["zz", 3]), dict(**{"a": 1}), "{a}{b}".format(**{"a": 1, "b": 2}), "{}{}".format(*xs[:2])
d.get(a=1, 2)
d.get(*xs, 1)
dict(a=1, a=2)
d.get("a", x=1)
s.upper(1)
n.real, f.real, f.is_integer(), true.real, n.foo
loop
loop.index
caller
varargs
u.split(), u|list, u|length, u.title(), u|upper, u in u, u|reverse
"\u00e9" in {"e\u0301": 1}, {"\u00e9": 1, "e\u0301": 2}|length, ["\u00e9", "e\u0301"]|unique|list|length, "e\u0301".replace("e", "x"), "e\u0301".startswith("e"), "\u00e9".startswith("e")
"\r\n"|length, "\r\n".split("\n"), "\r\n"|tojson, lines|replace("\n", "|")
"👩‍👩‍👧"|length, "👩‍👩‍👧"[0], "🇩🇪"[1], "👍🏽"|list|length
9223372036854775807, -9223372036854775807 - 1, 9223372036854775807 == 9223372036854775807.0
[1, 2, 3]|map("string")|map("upper")|join("")|int + 1
ms|map(attribute="content")|select|join(",")
(ms|selectattr("role", "eq", "assistant")|list|last).content, (ms|selectattr("role", "eq", "zz")|list|last).content is defined
(ms|selectattr("role", "eq", "zz")|list|last).content.x
[d]|map("tojson")|first, xs|map("abs")|sum, ss|map("length")|list
{"a": [1, 2]}.a[0], {"a": 1}["a"], "abc"[1], [1, 2][-1], (1, 2)|last
""" .strip("\n").split("\n")

# Whole templates.
TEMPLATES = [
    "", "a", "a\n", "a\n\n", "\n", "a\r\nb\rc\n", "{{ 1 }}\n", "{{ 1 }}\n\n", "a {{ 1 }} b", "{{1}}{{2}}", "{ { } }", "{", "{{",
    "{{ 1", "{% if 1 %}", "{% if 1 %}a", "{% endif %}", "{% foo %}", "{% if %}{% endif %}", "{% for %}{% endfor %}",
    "{% if t %}\na\n{% endif %}\nb", "  {% if t %}\n  a\n  {% endif %}\n  b", "x {% if t %}\n  a\n  {% endif %}\n b",
    "  {%- if t -%}  \n a  {%- endif -%}  \n b", "a  {%+ if t %}\n b {%+ endif %}\n c", "a\n  {%+ if t +%}\n b {% endif +%}\n c",
    "a \n {{- 1 -}} \n b", "a \n {{ 1 }} \n b", "a {{-1}} {{+1}} {{- -1 -}} b", "a\n   {{ 1 }}\n   {# c #}\n   b",
    "a {# c #} b", "a {#- c -#} b", "a\n  {#+ c +#}\nb", "a {#-#} b", "{# a {{ 1 }} {% x %} #}b", "a {# c", "{##}x", "{#}", "{#-#}",
    "a\n\t{# c #}\n\tb", "   {# c #}   x", "x\n \u00a0{% if t %}y{% endif %}", "{% if t %}\r\na{% endif %}\r\n", "\n{% if t %}\n\n{% endif %}\n\nx",
    "{% raw %}{{ 1 }}{% x %}{% endraw %}", "a {%- raw -%} \n b {%- endraw -%} \n c", "a\n  {% raw %}\n b\n  {% endraw %}\n c", "{% raw %}", "{% raw %}a{% endraw", "{%raw%}x{%endraw%}y",
    "{%+ raw %}x{%+ endraw +%}\ny", "{% raw -%}\n x {% endraw %}\nz", "{% rawx %}",
    "{{ '}}' }}{{ '{{' }}{{ \"%}\" }}{{ {'a': {'b': 1}} }}{{ {} }}", "{{ {'a': 1}}}", "{{ [1, 2] [0] }}", "{{ (1) }}{{ ((1, 2)) }}",
    "{% for x in xs %}{{ x }}{% endfor %}", "{% for x in xs %}{{ x }}{% else %}none{% endfor %}", "{% for x in [] %}{{ x }}{% else %}none{% endfor %}",
    "{% for x in xs %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.depth0 }} {% endfor %}",
    "{% for x in xs %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }};{{ loop.previtem is defined }}{{ loop.nextitem is defined }} {% endfor %}",
    "{% for x in xs %}{{ loop.previtem.x }}{% endfor %}", "{% for x in xs %}{{ loop.cycle('a', 'b') }}{{ loop.changed(x > 2) }}{% endfor %}", "{% for x in xs %}{{ loop.cycle() }}{% endfor %}",
    "{% for x in xs|map('string') %}{{ loop.index }}/{{ loop.length }}{{ x }}{{ loop.last }} {% endfor %}", "{% for x in xs %}{{ loop }}{% endfor %}",
    "{% for x in xs if x > 1 %}{{ x }}{{ loop.index }}{{ loop.length }}{{ loop.last }}{% else %}e{% endfor %}", "{% for x in xs if x > 9 %}{{ x }}{% else %}e{% endfor %}",
    "{% for x in xs if loop.first %}{{ x }}{% endfor %}", "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "{% for k in d %}{{ k }}{% endfor %}", "{% for k, v in d|dictsort %}{{ k }}{{ v }}{% endfor %}",
    "{% for (a, b), c in [((1, 2), 3)] %}{{ a }}{{ b }}{{ c }}{% endfor %}", "{% for a, b in [1] %}{% endfor %}", "{% for a, b in [(1, 2, 3)] %}{% endfor %}", "{% for a, b in [(1,)] %}{% endfor %}", "{% for a, b in ['xy'] %}{{ a }}-{{ b }}{% endfor %}",
    "{% for x in n %}{% endfor %}", "{% for x in nil %}{% endfor %}", "{% for x in missing %}{{ x }}{% else %}e{% endfor %}", "{% for c in u %}[{{ c }}]{% endfor %}", "{% for x in 1, 2, 3 %}{{ x }}{% endfor %}",
    "{% for x in xs %}{% for y in xs %}{{ loop.index }}{% endfor %}{{ loop.index }} {% endfor %}", "{% for x in xs %}{% set outer = loop %}{% for y in [1] %}{{ outer.index }}{% endfor %}{% endfor %}",
    "{% for x in [[1, [2, 3]], 4] recursive %}{{ loop.depth }}{% if x is iterable %}({{ loop(x) }}){% else %}{{ x }}{% endif %}{% endfor %}", "{% for x in xs %}{{ loop(xs) }}{% endfor %}",
    "{% for x in [1, [2, [3]]] recursive %}{% if x is sequence %}{{ loop(x) }}{% else %}{{ x }},{{ loop.index }}{{ loop.first }}{% endif %}{% else %}E{% endfor %}",
    "{% for x in range(6) %}{% if x == 1 %}{% continue %}{% endif %}{% if x == 4 %}{% break %}{% endif %}{{ x }}{% endfor %}", "{% break %}", "{% for x in xs %}{% break %}{% else %}E{% endfor %}",
    "{% for x in xs %}{% continue %}{% else %}E{% endfor %}", "{% for x in xs %}{{ x }}{% if loop.last %}{% break %}{% endif %}{% else %}E{% endfor %}", "{% for x in xs %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}",
    "{% for x in xs %}{% set y %}a{% break %}{% endset %}{{ y }}{% endfor %}z", "{% for x in xs %}{% for y in [] %}{% else %}{% break %}{% endfor %}{{ x }}{% endfor %}", "{% for x in xs %}{% filter upper %}a{% if x == 1 %}{% continue %}{% endif %}{% endfilter %}{% endfor %}",
    "{% for x in xs %}{% generation %}{% break %}{% endgeneration %}{% endfor %}", "{% for x in xs %}{% call x() %}{% break %}{% endcall %}{% endfor %}",
    "{% set x = 1 %}{{ x }}", "{% set x, y = 1, 2 %}{{ x }}{{ y }}", "{% set x = 1, 2 %}{{ x }}", "{% set (x, y) = (1, 2) %}{{ y }}", "{% set x %}a{{ n }}{% endset %}{{ x|upper }}", "{% set x | upper %}abc{% endset %}{{ x }}", "{% set x | replace('a', 'z') | upper %}abc{% endset %}{{ x }}",
    "{% set x = 1 %}{% for i in xs %}{% set x = x + 1 %}{{ x }}{% endfor %}{{ x }}", "{% set ns = namespace(x=1) %}{% for i in xs %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}{{ ns }}", "{% set ns = namespace() %}{% set ns.a, ns.b = 1, 2 %}{{ ns.a }}{{ ns.b }}",
    "{% set d.x = 1 %}", "{% set missing.x = 1 %}", "{% set ns = namespace() %}{% set ns.x %}block{% endset %}{{ ns.x }}", "{% set ns = namespace() %}{% set ns._x = 1 %}", "{% set 1 = 2 %}", "{% set true = 2 %}", "{% set x.y.z = 2 %}", "{% set x[0] = 2 %}", "{% set x %}", "{% set %}",
    "{% for x in xs %}{% set loop = 1 %}{% endfor %}", "{% set loop = 5 %}{{ loop }}", "{% for loop in xs %}{% endfor %}", "{% for i in xs %}{% set z = i %}{% endfor %}{{ z }}", "{% if t %}{% set z = 1 %}{% endif %}{{ z }}", "{% if no %}{% set z = 1 %}{% endif %}{{ z }}", "{% if no %}{% set n = 1 %}{% endif %}{{ n }}",
    "{% for i in xs %}{% if loop.first %}{% set z = i %}{% endif %}{{ z }},{% endfor %}", "{% for i in xs %}{{ n }}{% set n = i %}{{ n }};{% endfor %}{{ n }}",
    "{% if n == 1 %}a{% elif n == 7 %}b{% elif n == 7 %}c{% else %}d{% endif %}", "{% if nil %}a{% else %}b{% endif %}", "{% if missing %}a{% endif %}", "{% if n if no else t %}a{% endif %}", "{% if t: %}a{% endif %}", "{% if missing.x %}a{% endif %}", "{% if no %}{{ xs|nofilter }}{% endif %}ok", "{% if t %}{{ xs|nofilter }}{% endif %}", "{% if no %}{% for x in xs %}{{ x|nofilter }}{% endfor %}{% endif %}", "{% if no and xs is notest %}{% endif %}ok", "{% if xs is notest %}{% endif %}",
    "{% macro m(a, b=2, c=a) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(1) }} {{ m(1, 3) }} {{ m(1, c=5) }} {{ m(b=1, a=0) }}", "{% macro m(a) %}[{{ a }}]{% endmacro %}{{ m() }}", "{% macro m(a) %}{{ a.x }}{% endmacro %}{{ m() }}", "{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{% endmacro %}{{ m(b=1) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, a=2) }}",
    "{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, x=3) }}", "{% macro m(a) %}{{ a }}{{ varargs|join(',') }}{% endmacro %}{{ m(1, 2, 3) }}", "{% macro m(a=1, b) %}{% endmacro %}", "{% macro m() %}x{% endmacro %}{{ m }}{{ m.name }}{{ m.arguments }}{{ m.caller }}{{ m.catch_kwargs }}", "{% macro m(x) %}{{ x }}{% endmacro %}{{ m.arguments }}{{ m(x=1)|upper }}",
    "{% macro m() %}{{ caller() }}{% endmacro %}{% call m() %}body{% endcall %}", "{% macro m() %}{{ caller(1, 2) }}{% endmacro %}{% call(a, b=5) m() %}{{ a }}{{ b }}{% endcall %}", "{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}", "{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}{% call m() %}{% endcall %}", "{% macro m() %}x{% endmacro %}{% call m() %}{% endcall %}", "{% macro m(caller) %}{{ caller() }}{% endmacro %}", "{% macro m(caller=none) %}{{ caller is none }}{% if caller %}{{ caller() }}{% endif %}{% endmacro %}{{ m() }}{% call m() %}B{% endcall %}", "{% call n %}{% endcall %}", "{% call (x) m2() %}{% endcall %}",
    "{% macro a() %}A{{ b() }}{% endmacro %}{% macro b() %}B{% endmacro %}{{ a() }}", "{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}", "{% macro m() %}{{ x }}{% endmacro %}{% set x = 1 %}{{ m() }}{% set x = 2 %}{{ m() }}", "{% set x = 1 %}{% macro m() %}{% set x = x + 1 %}{{ x }}{% endmacro %}{{ m() }}{{ m() }}{{ x }}",
    "{% for i in xs %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}", "{% macro m(x) %}{% for i in x %}{{ i }}{{ caller(i) }}{% endfor %}{% endmacro %}{% call(q) m(xs) %}<{{ q }}{{ n }}>{% endcall %}", "{% macro m() %}  a\n  {% if t %}\n  b\n  {% endif %}\n{% endmacro %}[{{ m() }}]", "{%- macro m() -%}\n  x\n{%- endmacro -%}\n{{ m() }}",
    "{% macro m() %}{{ n }}{% endmacro %}{% set n = 3 %}{{ m() }}", "{% macro outer() %}{% macro inner() %}I{% endmacro %}{{ inner() }}{% endmacro %}{{ outer() }}{{ inner is defined }}", "{% macro m(x) %}{{ loop is defined }}{% endmacro %}{% for i in [1] %}{{ m(i) }}{% endfor %}", "{% set f = joiner(', ') %}{% for x in xs %}{{ f() }}{{ x }}{% endfor %}", "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{% set _ = c.reset() %}{{ c.current }}",
    "{% filter upper %}a{{ s }}{% endfilter %}", "{% filter replace('a', 'b')|upper %}banana{% endfilter %}", "{% filter nofilter %}{% endfilter %}", "{% filter trim %}  x  {% endfilter %}|", "{% filter indent(2) %}a\nb\n{% endfilter %}", "{% set x = 1 %}{% filter upper %}{% set x = 2 %}{{ x }}{% endfilter %}{{ x }}",
    "{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q is defined }}"[:0] + "{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a }}", "{% with %}{% set zz = 1 %}{{ zz }}{% endwith %}{{ zz }}", "{% with a = 1, b = a %}[{{ b }}]{% endwith %}", "{% with n = n + 1 %}{{ n }}{% endwith %}{{ n }}", "{% with a %}{% endwith %}",
    "{% print 1, 'a' %}", "{% print %}x", "{% autoescape false %}{{ html }}{% endautoescape %}", "{% do xs.append(1) %}", "{% block a %}x{{ n }}{% endblock %}", "{% block a %}1{% endblock %}{% block a %}2{% endblock %}", "{% for i in xs %}{% block b %}[{{ i }}]{% endblock %}{% endfor %}", "{% for i in xs %}{% block b scoped %}[{{ i }}]{% endblock %}{% endfor %}", "{% set q = 1 %}{% block b %}{{ q }}{% endblock b %}", "{% block a-b %}{% endblock %}",
    "{% generation %}a{{ n }}{% endgeneration %}", "{% set x = 1 %}{% generation %}{% set x = 2 %}{{ x }}{% endgeneration %}{{ x }}", "{% for m in ms %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{{ loop.index }}{% endgeneration %}{% endif %}{% endfor %}", "{%- generation -%}\n a \n{%- endgeneration -%}\n b", "{% generation %}", "{% endgeneration %}", "{% generation x %}{% endgeneration %}",
    "line1\n{{ n }}\n{{ missing.x }}\n", "{% if t %}\n\n{{ raise_exception('no') }}{% endif %}", "a\n{% for x in xs %}\n{{ x.y.z }}\n{% endfor %}", "\n\n{{ 'a'|nofilter }}", "\n{% if %}", "\n\n\n{% for x in %}", "{{ '\n' }}\n{{ missing.x }}", "{% macro m() %}\n{{ missing.x }}\n{% endmacro %}\n\n{{ m() }}", "{# a\nb #}\n{{ missing.y }}", "{{\n1\n+\nmissing.x\n}}", "a\n{%- if t -%}\n\n\n{{ missing.y }}{% endif %}", "{% raw %}\n\n{% endraw %}\n{{ missing.y }}", "{% set x =\n  missing.y %}", "{% for x in\nn %}{% endfor %}",
    "{% if t %}a{% else %}b{% else %}c{% endif %}", "{% for x in xs %}{% endif %}", "{% if t %}{% endfor %}", "{% macro %}{% endmacro %}", "{% macro m %}{% endmacro %}", "{% macro m() %}", "{% endmacro %}", "{% 5 %}", "{% %}", "{{ }}", "{{ 'a' 1 }}", "{% set x = %}", "{{ a b }}", "{% if a b %}{% endif %}", "{% for x xs %}{% endfor %}", "{% for x.y in xs %}{% endfor %}", "{% for 'a' in xs %}{% endfor %}", "{% endraw %}",
    "{% if 'é' == 'e\u0301' %}same{% else %}different{% endif %}", "é{{ 'ü' }}😀{% if t %}\n  ✓\n{% endif %}", "{% set é = 1 %}{{ é }}", "{% set x = '\u2028' %}[{{ x }}]", "\u00a0{% if t %}x{% endif %}", "\u2003{%- if t -%}\u2003x{%- endif -%}\u200b",
    "{%- for m in ms -%}\n{{- '<' + m['role'] + '>' + m['content'] -}}\n{%- endfor -%}", "{% for m in ms %}{{ m.role }}: {{ m.content }}\n{% endfor %}", "{% for m in ms[1:] %}{{ m['role'] }}{% endfor %}", "{% for m in ms[::-1] %}{% set i = (ms|length - 1) - loop.index0 %}{{ i }}{{ m.content }}{% endfor %}",
    "{% set ns = namespace(last=-1) %}{% for m in ms %}{% if m.role == 'user' %}{% set ns.last = loop.index0 %}{% endif %}{% endfor %}{{ ns.last }}", "{% if ms[0]['role'] == 'system' %}{% set sys = ms[0]['content'] %}{% set rest = ms[1:] %}{% else %}{% set sys = false %}{% set rest = ms %}{% endif %}{{ sys }}{{ rest|length }}",
    "{% for m in ms %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate') }}{% endif %}{% endfor %}ok", "{{ ms|map(attribute='role')|unique|join('/') }}", "{% set x = {'a': 1} %}{% for k, v in x.items() %}{{ k ~ v }}{% endfor %}", "{{ {'a': 1, **{}} }}",
    "{% set gen = xs|map('string') %}{{ gen|list }}{{ gen|list }}", "{% set gen = xs|select('odd') %}{% for x in gen %}{{ x }}{% endfor %}{% for x in gen %}{{ x }}{% endfor %}", "{% set r = xs|reverse %}{{ r|list }}{{ r|list }}", "{% if xs|select('gt', 99) %}true{% else %}false{% endif %}", "{% set b = xs|batch(2) %}{% for r in b %}{{ r }}{{ loop.length }}{% endfor %}",
    "{{ xs|map('upper') }}"[:0] + "{{ 3 is in xs }}", "{% include 'x' %}", "{% import 'x' as y %}", "{% from 'x' import y %}", "{% extends 'x' %}", "{{ super() }}", "{% trans %}x{% endtrans %}", "{% debug %}", "{{ _('x') }}", "{{ gettext('x') }}",
    "{{ 10 ** 10 ** 10 }}"[:0] + "{{ 'a' if t }}{{ 'b' if no }}", "{{ ('a' if no) ~ 'x' }}", "{{ ('a' if no) + 'x' }}", "{{ n.__class__ }}|{{ n['__class__'] }}|{{ s.__class__.__mro__ }}", "{{ ''.__class__.__mro__ }}", "{{ d.__class__() }}", "{{ d['__class__'] }}", "{{ namespace.__init__ }}", "{{ m._x }}{{ d._x }}", "{{ range.__name__ }}", "{{ loop }}|{{ caller }}|{{ kwargs }}",
    "{% macro m() %}{{ n }}{% endmacro %}{{ m() }}{% set n = 1 %}{{ m() }}", "{% for x in xs %}{{ n }}{% endfor %}{% set n = 1 %}{{ n }}", "{{ n }}{% for x in xs %}{{ n }}{% endfor %}{% set n = 1 %}{{ n }}",
    "{% for x in xs %}{{ n }}{% endfor %}{% if t %}{% set n = 1 %}{% endif %}{{ n }}", "{% for x in xs %}{% filter upper %}{{ s }}{{ n }}{% endfilter %}{% set s = 'q' %}{% endfor %}{{ s }}", "{% for x in xs %}{% set y %}{{ s }}{% endset %}{{ y }}{% set s = s ~ x %}{% endfor %}",
    "{% macro m() %}{{ s }}{% set s = 1 %}{{ s }}{% endmacro %}{{ m() }}{{ s }}", "{% macro m() %}{% for x in [1] %}{{ s }}{% endfor %}{% set s = 1 %}{{ s }}{% endmacro %}{{ m() }}{{ s }}", "{% for x in xs %}{{ s }}{% else %}{% endfor %}{% set s, n = 1, 2 %}", "{% with %}{% for x in [1] %}{{ s }}{% endfor %}{% set s = 3 %}{% endwith %}{{ s }}",
    "{% filter length %}abc{% endfilter %}", "{% set x | length %}abc{% endset %}{{ x + 1 }}", "{% call xs.copy() %}{% endcall %}", "{% filter first %}abc{% endfilter %}", "{% filter list|join('-') %}abc{% endfilter %}", "{% block b %}{{ n }}{% endblock %}{% set n = 1 %}", "{% for s in xs %}{% block c %}{{ s }}{% endblock %}{% endfor %}{% set s = 1 %}",
    "{{ d.items }}"[:0] + "{% for x in d.items() %}{{ x }}{{ x[0] }}{% endfor %}", "{% for g in ms|groupby('role') %}{{ g.grouper }}:{{ g.list|length }};{% endfor %}", "{% for r, l in ms|groupby('role') %}{{ r }}{{ l|map(attribute='n')|list }}{% endfor %}",
    "{{ '%s' % ('a',) }}{{ '%d%%' % 5 }}{{ '{}%'.format(5) }}", "{{ [1,2,3][1:][0] }}{{ 'abc'[1:][0] }}", "{{ -1 ** 2 }}{{ - 1 }}{{ --1 }}{{ not not t }}", "{{ 1.5.real }}{{ 1 .real }}", "{{ 'a'.upper().lower()|upper|lower }}", "{{ [[1, 2], [3]]|sum(start=[]) }}", "{{ xs|sort|first }}{{ (xs|sort)[0] }}{{ xs|sort[0] }}",
    "{{ 'A' < 'a' }}{{ 'Z' < 'a' }}{{ 'é' > 'z' }}", "{{ [1, 'a']|join }}{{ (1, 'a')|join('-') }}", "{{ d|length }}{{ d.values()|sum if no else 1 }}", "{{ ms|tojson }}", "{{ ms|tojson(indent=2) }}", "{{ {'type': 'function', 'function': {'name': 'f', 'parameters': {}}}|tojson }}", "{{ d|string }}{{ xs|string|length }}",
]

def random_expression(rng, depth):
    """An expression of names, literals and operators; many give errors, as they should."""
    if depth == 0 or rng.random() < 0.2:
        return rng.choice(["1", "0", "-2", "2.5", "'a'", "'b c'", "''", "none", "true", "[]", "[1, 'x']", "{}", "s", "n",
                           "f", "xs", "d", "ss", "nil", "missing", "u", "m", "mix", "(1, 2)", "ms", "fl", "num"])
    def sub():
        return random_expression(rng, depth - 1)
    kind = rng.randrange(9)
    if kind == 0:
        return f"({sub()} {rng.choice(['+', '-', '*', '/', '//', '%', '~', '~', '+', '*'])} {sub()})"
    if kind == 1:
        return f"({sub()} {rng.choice(['==', '!=', '<', '>', '<=', '>=', 'in', 'not in'])} {sub()})"
    if kind == 2:
        return f"({sub()} {rng.choice(['and', 'or'])} {sub()})"
    if kind == 3:
        return f"({sub()} if {sub()} else {sub()})"
    if kind == 4:
        # jinja2 computes slices of constants while it compiles, where they do not fail.
        if rng.random() < 0.5:
            return f"{rng.choice(['s', 'xs', 'u', 'ss', 'ms', 'd', 'missing', 'nil', 'n'])}[{rng.choice(['1:', '::-1', ':2', '::2', '-2:'])}]"
        return f"{sub()}[{rng.choice(['0', '-1', repr('a'), 'n', '5'])}]"
    if kind == 5:
        name = rng.choice(["length", "list", "first", "last", "upper", "lower", "trim", "string", "int", "float", "sort", "tojson",
                           "join", "join(', ')", "default('D')", "default('D', true)", "reverse|list", "unique|list", "sum", "min",
                           "max", "round", "abs", "title", "capitalize", "items|list", "dictsort", "batch(2)|list", "map('string')|list",
                           "select|list", "reject|list", "wordcount", "replace('a', 'b')", "indent", "tojson(indent=1)", "e", "count",
                           "truncate(3, true, '', 0)", "center(5)", "groupby('role')|list|length"])
        return f"({sub()}|{name})"
    if kind == 6:
        name = rng.choice(["defined", "none", "string", "mapping", "iterable", "sequence", "number", "odd", "even", "lower", "upper",
                           "true", "boolean", "integer", "float", "eq 1", "in xs", "divisibleby 2", "callable"])
        return f"({sub()} is {rng.choice(['', 'not '])}{name})"
    if kind == 7:
        return f"[{sub()}, {sub()}]" if rng.random() < 0.6 else f"{{{rng.choice(['1', repr('k'), sub()])}: {sub()}}}"
    return f"({rng.choice(['not ', '-', '+'])}{sub()})" if rng.random() < 0.5 else f"{sub()}.{rng.choice(['a', 'b', 'role', 'upper()', 'split()', 'keys()|list', 'strip()', 'title()', 'count(1)', 'get(' + repr('a') + ')'])}"


def random_template(rng, depth):
    """Blocks in one another, with all kinds of white space around them."""
    def tag(text):
        return rng.choice(["{%", "{%", "{%-", "{%-", "{%+"]) + f" {text} " + rng.choice(["%}", "%}", "-%}", "-%}", "+%}"])

    def space():
        return rng.choice(["a", "\n", " ", "  \n  ", "b\n", "\t", "x y", "\n\n", "\u00e9", "\U0001f600\n", "{ ", "", " }", "\r\n", "\u00a0 "])

    def value():
        return rng.choice(["s", "n", "xs", "q", "nil", "t", "u", "x", "y", "z", "missing", "d.a", "ms[0].role", "ms|length", "xs|sum",
                           "x is defined", "y is defined", "y|string|upper", "x ~ y", "n + 1", "s in ss", "loop is defined", "d|tojson",
                           "xs[-1]", "s[1:3]", "k", "mac is defined", random_expression(rng, 1)])

    def body():
        return space() + "".join(statement() for _ in range(rng.randrange(1, 3))) + space()

    def statement():
        kind = rng.random() if depth else 0
        if kind < 0.5:
            return rng.choice([space(), "{{ " + value() + " }}", "{{- " + value() + " -}}", "{#- c +#}", "{# c -#}", "{#+ c #}",
                               tag(f"set {rng.choice(['x', 'y', 'z', 'n', 'k'])} = {value()}"), "{% raw %}{{ r }} {% endraw %}\n"])
        inner = random_template(rng, depth - 1)
        other = random_template(rng, depth - 1)
        return rng.choice([
            tag(f"if {value()}") + inner + tag("else") + other + tag("endif"),
            tag(f"if {value()}") + inner + tag(f"elif {value()}") + other + tag("endif"),
            tag(f"for x in {rng.choice(['xs', 'ms', 'd', 's', 'range(3)', 'xs|reverse', '[]', 'missing'])}") + inner
            + "{{ loop.index }}" + tag("else") + other + tag("endfor"),
            tag("for x, y in d.items()") + inner + rng.choice(["", tag("break"), tag("if x") + tag("continue") + tag("endif")]) + tag("endfor"),
            tag("for y in xs if y > 1") + inner + tag("endfor"),
            tag("macro mac(x, y=2)") + inner + tag("endmacro") + rng.choice(["{{ mac(1) }}", "{{ mac(y=n) }}", "{% call mac(5) %}C{% endcall %}"]),
            tag(f"set {rng.choice(['x', 'y', 'n'])}") + inner + tag("endset"),
            tag(f"filter {rng.choice(['upper', 'trim', 'indent(2)', 'title', 'e'])}") + inner + tag("endfilter"),
            tag("generation") + inner + tag("endgeneration"),
            tag(f"with x = {value()}, z = {value()}") + inner + tag("endwith"),
        ])
    return body()


def main():
    warnings.simplefilter("ignore", SyntaxWarning)
    cases = []
    for expression in EXPRESSIONS:
        source = "{{ " + expression + " }}"
        cases.append((source, jinja_reference.outcome(source, copy.deepcopy(VALUES))))
    for source in TEMPLATES:
        cases.append((source, jinja_reference.outcome(source, copy.deepcopy(VALUES))))
    rng = random.Random(17)
    written = len(cases)
    while len(cases) < written + 250:
        source = random_template(rng, 2)
        outcome = jinja_reference.outcome(source, copy.deepcopy(VALUES))
        # jinja2 places errors less exactly than we do.
        if "%}" in source and isinstance(outcome, str) and len(source) < 700 and len(outcome) < 700:
            cases.append((source, outcome))
    written, errors = len(cases), 0
    while len(cases) < written + 700:
        source = "{{ " + random_expression(rng, 3) + " }}"
        outcome = jinja_reference.outcome(source, copy.deepcopy(VALUES))
        if isinstance(outcome, dict):
            errors += 1
            if errors > 250:
                continue
        elif len(outcome) > 1000:
            continue
        cases.append((source, outcome))
    jinja_reference.write(GOLDEN / "expressions.json", [VALUES] + [list(case) for case in cases])
    failed = sum(isinstance(case[1], dict) for case in cases)
    print(f"{len(cases)} templates, {failed} of them errors")


if __name__ == "__main__":
    main()
