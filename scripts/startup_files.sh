#!/usr/bin/env bash
# Lists the Swift files of Sources that run between `main` and the first optimiser step of the quick start, in the order
# in which they are first entered, and counts them. A file runs where one of its functions does; initial values of
# static properties, which every verb has, do not count. gdb stops once at every function of a debug build.
#
#   scripts/startup_files.sh [PACKAGE_DIR]
#
#   PACKAGE_DIR     the working tree to look at, with a debug build of swift-peft (default: this one)
#   PROGRAM         the debug build (default: PACKAGE_DIR/.build/debug/swift-peft)
#   STEP_SYMBOL     the beginning of the mangled name of the function that is the step (default: Trainer.step)
#   LIBRARIES       targets that know nothing of fine-tuning, which the second count leaves out
#                   (default: StrictJSON Diagnostics Kernels Autograd Checkpoints Tokenizers Jinja RunStore Hub)
#   CONFIG          the run config (default: configs/quickstart.json)
#   MINILM_DIR      the all-MiniLM-L6-v2 checkpoint (default: models/all-MiniLM-L6-v2)
#
# Needs gdb with Python. Takes about ten seconds.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

package=$(readlink -f "${1:-$repository}")
program=$(readlink -f "${PROGRAM:-$package/.build/debug/swift-peft}") || true
[ -x "$program" ] || die "there is no debug build in $package: swift build --product swift-peft, or set PROGRAM"
command -v gdb >/dev/null || die 'gdb is not installed'
[ -f "$(minilm_directory)/model.safetensors" ] || die "there is no model in $(minilm_directory): set MINILM_DIR"
symbol=${STEP_SYMBOL:-\$s8Training7TrainerV4step}
libraries=${LIBRARIES:-StrictJSON Diagnostics Kernels Autograd Checkpoints Tokenizers Jinja RunStore Hub}
minilm=$(readlink -f "$(minilm_directory)")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Functions of our modules: their mangled names hold a module's name behind its length.
modules=$(cd "$package/Sources" && for name in *; do printf '%s|' "${#name}${name//-/_}"; done)
nm "$program" | awk '$2 ~ /[tT]/ && $3 ~ /^\$s/' >"$work/functions"
stop=$(awk -v start="$symbol" '!found && index($3, start) == 1 && $3 ~ /F$/ { found = $1 } END { print found }' \
  "$work/functions")
[ -n "$stop" ] || die "no function's name begins with $symbol: set STEP_SYMBOL"
# Not: initial values of statics (WZ, vau, vpZfi…), their getters (vgZ, TW) and default arguments (fA_).
awk -v modules="${modules%|}" '$3 ~ modules && $3 !~ /(WZ|vau|TW|vgZ|vpZfiTv_r|fA[0-9]*_)$/ { print "0x" $1 }' \
  "$work/functions" >"$work/addresses"
llvm-symbolizer --obj="$program" --functions=none --no-inlines <"$work/addresses" | awk NF >"$work/places"
paste "$work/addresses" "$work/places" | awk -F '\t' -v sources="$package/Sources/" '
  index($2, sources) == 1 {
    split(substr($2, length(sources) + 1), place, ":")
    if (place[2] > 0) print $1 "\t" place[1]
  }' >"$work/entries"
[ -s "$work/entries" ] || die "$program was not built from $package"

cat >"$work/order.py" <<'END_OF_PROGRAM'
import gdb, sys

work, program, stop = "WORK", "PROGRAM", int("STOP", 16)
seen = {}


class Entry(gdb.Breakpoint):
    """Notes a file and goes on."""

    def __init__(self, address, file):
        super().__init__(f"*{address:#x}", internal=True)
        self.file = file

    def stop(self):
        seen.setdefault(self.file)
        self.enabled = False
        return False


gdb.execute("set breakpoint always-inserted on")
gdb.execute("starti", to_string=True)
with open(f"/proc/{gdb.selected_inferior().pid}/maps") as maps:
    base = next(int(line.split("-")[0], 16) for line in maps if line.rstrip().endswith(program))
with open(f"{work}/entries") as lines:
    for line in lines:
        address, file = line.rstrip("\n").split("\t")
        if int(address, 16) != stop:
            Entry(base + int(address, 16), file)
step = gdb.Breakpoint(f"*{base + stop:#x}")
gdb.execute("continue")
if step.hit_count:
    with open(f"{work}/order", "w") as out:
        out.write("".join(file + "\n" for file in seen))
gdb.execute("kill")
END_OF_PROGRAM
sed -i "s,WORK,$work,; s,PROGRAM,$program,; s,STOP,$stop," "$work/order.py"
cd "$package"
gdb -batch -nx -x "$work/order.py" --args "$program" train "${CONFIG:-configs/quickstart.json}" \
  --set model="$minilm" --output-dir "$work/run" --database "$work/runs.sqlite" --quiet --threads 1 \
  >"$work/log" 2>&1 || true
[ -s "$work/order" ] || die "the program did not come to its first step: $(tail -n 3 "$work/log")"

awk -F / -v libraries="$libraries" '
  BEGIN { split(libraries, names, " "); for (i in names) library[names[i]] = 1 }
  {
    if (!($1 in count)) order[++targets] = $1
    count[$1]++
    if ($1 in library) printf "   -  %s\n", $0
    else printf "%4d  %s\n", ++ours, $0
  }
  END {
    for (i = 1; i <= targets; i++) printf "%s%s %d", (i > 1 ? ", " : "\n"), order[i], count[order[i]]
    printf "\n%d files, %d of them outside the libraries (%s)\n", NR, ours, libraries
  }' "$work/order"
