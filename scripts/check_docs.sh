#!/usr/bin/env bash
# Checks the documents against the repository and the program: links and their anchors, names of files and of Swift
# declarations, the README's length and its table of verbs, the keys, defaults and values in docs/configuration.md, the
# methods and the tasks. (Families of models: DocumentedFamilyTests.)
#
#   scripts/check_docs.sh [PROGRAM]    (default: .build/release/swift-peft, else .build/debug/swift-peft)
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$repository"
program=${1:-.build/release/swift-peft}
[ -x "$program" ] || program=.build/debug/swift-peft
[ -x "$program" ] || die 'there is no program: swift build, or name it'
documents=(README.md CONTRIBUTING.md CHANGELOG.md docs/*.md)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
problems=0

# problem WHAT: counts it.
problem() {
  problems=$((problems + 1))
  printf '%s\n' "$*"
}

# The anchors that GitHub makes of the headings of a document.
anchors() {
  awk '/^```/ { code = !code } !code && /^#+ / { sub(/^#+ /, ""); print tolower($0) }' "$1" |
    sed -E 's/[^a-z0-9 _-]//g; s/ /-/g'
}

for document in "${documents[@]}"; do
  directory=$(dirname "$document")
  while read -r target; do
    file=${target%%#*} anchor=
    [[ $target != *'#'* ]] || anchor=${target#*#}
    path=$document
    [ -z "$file" ] || path=$directory/$file
    if [ ! -e "$path" ]; then
      problem "$document: the link $target leads nowhere"
    elif [ -n "$anchor" ] && ! anchors "$path" | grep -qxF -- "$anchor"; then
      problem "$document: $path has no heading #$anchor"
    fi
  done < <(awk '/^```/ { code = !code } !code' "$document" | grep -oE '\]\([^) ]+\)' | sed 's/^](//; s/)$//' |
    grep -v '^https\?:' || true)
done

# Names in code spans: paths, types, members as in `Trainer.run`, and single folders and files of Sources and Tests.
grep -rhE --include='*.swift' '^ *[a-z@() ]*(struct|enum|class|protocol|actor|typealias|func|var|let|case) ' \
  Sources Tests >"$work/declarations"
find Sources Tests -path '*/Golden' -prune -o -print | sed 's|.*/||; s/\.swift$//' | sort -u >"$work/files"
declared() { grep -qE "(struct|enum|class|protocol|actor|typealias|func|var|let|case) $1\\b" "$work/declarations"; }
for document in "${documents[@]}"; do
  awk '/^```/ { code = !code } !code' "$document" | grep -oE '`[^`]+`' | tr -d '`' | sort -u >"$work/spans" || true
  while read -r path; do
    [ -e "$path" ] || [ -d "Sources/$path" ] || problem "$document: there is no $path"
  done < <(grep -oE '^(Sources|Tests|scripts|configs|docs)/[A-Za-z0-9_./-]+' "$work/spans")
  [[ $document == CONTRIBUTING.md || $document == docs/library.md ]] || continue
  while read -r name; do
    type=${name%%.*}
    declared "$type" || grep -qxF "$type" "$work/files" || problem "$document: nothing is called $type"
    [[ $name != *.* ]] || [[ $name == *.init ]] || declared "${name#*.}" || problem "$document: there is no $name"
  done < <(grep -xE '[A-Z][A-Za-z]*[a-z][A-Za-z]*(\.[a-z][A-Za-z]*)?' "$work/spans")
done

lines=$(wc -l <README.md)
[ "$lines" -le 150 ] || problem "README.md has $lines lines; 150 are allowed"

# The verbs, in the order of the help.
"$program" --help | sed -n '/^SUBCOMMANDS:/,$p' | sed -nE 's/^  ([a-z-]+) .*/\1/p' | grep -vx help >"$work/verbs"
sed -n '/^## Verbs/,/^## /p' README.md | sed -nE 's/^\| `([a-z-]+)` .*/\1/p' >"$work/table"
diff "$work/verbs" "$work/table" >"$work/difference" ||
  problem "README.md: the table of verbs differs from $program --help:"$'\n'"$(cat "$work/difference")"

# The schema as lines of: path@default@values, the values separated by blanks.
"$program" schema | awk '
  function flush() {
    if (path != "") print path "@" standard "@" values
    path = standard = values = ""
  }
  {
    match($0, /^ */)
    depth = RLENGTH / 2
    line = substr($0, RLENGTH + 1)
    sub(/,$/, "", line)
  }
  list != "" && line == "]" {
    gsub(/\{, /, "{", items)
    gsub(/, \}/, "}", items)
    if (list == "default") standard = "[" items "]"; else values = items
    list = ""
    next
  }
  list != "" {
    if (list == "enum") gsub(/"/, "", line)
    items = items (items == "" ? "" : list == "enum" ? " " : ", ") line
    next
  }
  line ~ /^"[^"]+": \{$/ {
    key = line
    sub(/^"/, "", key)
    sub(/": \{$/, "", key)
    names[depth] = key
    if (depth % 2 == 0 && names[depth - 1] == "properties") {
      flush()
      for (i = 2; i <= depth; i += 2) path = path (i > 2 ? "." : "") names[i]
      at = depth + 1
    }
    next
  }
  path != "" && depth == at && line == "\"enum\": [" { list = "enum"; items = ""; next }
  path != "" && depth == at && line == "\"default\": [" { list = "default"; items = ""; next }
  path != "" && depth == at && line ~ /^"default": / { standard = substr(line, length("\"default\": ") + 1) }
  END { flush() }' |
  grep -vE '^(sweep|\$schema)' |
  # Sections have no rows: their keys do.
  awk -F@ '{ lines[NR] = $0; paths[NR] = $1; parent = $1; while (sub(/\.[^.]*$/, "", parent)) isSection[parent] = 1 }
    END { for (i = 1; i <= NR; i++) if (!(paths[i] in isSection)) print lines[i] }' >"$work/schema"
[ "$(wc -l <"$work/schema")" -ge 50 ] || problem 'the keys of the schema could not be read'
while IFS=@ read -r path standard values; do
  row=$(grep -F "| \`$path\` |" docs/configuration.md || true)
  if [ -z "$row" ]; then
    problem "docs/configuration.md: no row for $path"
    continue
  fi
  [ -z "$standard" ] || [[ $row == *"| \`$path\` | \`$standard\` |"* ]] ||
    problem "docs/configuration.md: the default of $path is $standard"
  for value in $values; do
    [ "$value" = null ] || [[ $row == *"$value"* ]] || problem "docs/configuration.md: $path can be $value"
  done
done <"$work/schema"
while read -r path; do
  grep -q "^$path@" "$work/schema" || problem "docs/configuration.md: there is no key $path"
done < <(sed -n '/^## Keys/,/^## Sweeps/p' docs/configuration.md | sed -nE 's/^\| `([a-z0-9_.-]+)` \|.*/\1/p')

# The methods and the tasks have rows or names where they are explained.
names() { awk -F@ -v path="$1" '$1 == path { print $3 }' "$work/schema"; }
[ -n "$(names adapter.strategy)" ] && [ -n "$(names task.name)" ] || problem 'the schema has no methods or no tasks'
for name in $(names adapter.strategy); do
  grep -q "^| \`$name\` |" docs/methods.md || problem "docs/methods.md: no row for the method $name"
done
for name in $(names task.name); do
  grep '^|' docs/data.md | grep -qF "\`$name\`" || problem "docs/data.md: no row for the task $name"
done

printf '%s documents, %s keys, %s verbs: %s\n' "${#documents[@]}" "$(wc -l <"$work/schema")" "$(wc -l <"$work/verbs")" \
  "$([ "$problems" -eq 0 ] && echo 'no problems' || echo "$problems problems")"
[ "$problems" -eq 0 ]
