#!/usr/bin/env bash
# Times one training step of swift-peft and of PyTorch + transformers + PEFT, turn by turn on one machine, and prints
# a Markdown table of medians, for float32 and, where this machine has them, bfloat16 and int8, beside which the peer runs
# in bfloat16. Random weights; RoBERTa shapes with LoRA on query and value, SmolLM2-135M's with LoRA on all maps; r = 8.
#
#   scripts/bench.sh
#
#   ROUNDS        rounds of every case (default 3)
#   PRECISIONS    what to measure (default: all that this machine has)
#   THREADS       ours and the peer's threads (default 2)
#   STEPS         steps that count in a round, after two that don't (default 8)
#   PEER_DIR      the folder of peer.py (default ../shared/bench beside the repository)
#   PEER_PYTHON   a Python with the peer's packages (default ~/peer/bin/python); without it only our side is timed
#   GLUE_DIR      if set: also batches with the sentence lengths of $GLUE_DIR/SST-2/train.tsv, the peer's once as they come
#                 and once grouped by length (HF's group_by_length)
#   GGUF_FILES    if set: also how fast texts are continued with these models, ours and llama.cpp's (bench_decoding.py)
#   TOKENIZERS    if set: directories with tokenizer.json, whose speed is measured beside that of HF's tokenizers
#   TEXT          the text that they encode (default: WikiText-2's test.txt in ../shared/text beside the repository)
#   TOKENIZER     a directory with tokenizer.json that counts those lengths (default: MiniLM's)
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$repository"
rounds=${ROUNDS:-3} steps=${STEPS:-8} threads=${THREADS:-2}
peer=${PEER_DIR:-$repository/../shared/bench}/peer.py
python=${PEER_PYTHON:-$HOME/peer/bin/python}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

has_peer=true
if [ ! -f "$peer" ] || ! "$python" -c 'import torch, transformers, peft' 2>/dev/null; then
  has_peer=false
  note "No peer: $peer needs a Python with its packages, so only our side is timed. To install it:"
  note "  python3 -m venv ~/peer && ~/peer/bin/pip install -r ${peer%/*}/requirements.txt"
  note "  or set PEER_DIR and PEER_PYTHON."
fi

stage 'Building'
require_system no-install
swift build -c release --product swift-peft-bench >&2
swift build -c release --product swift-peft >&2
binaries=$(swift build -c release --show-bin-path)

# What the machine does besides: the figures mean nothing on a busy one.
load=$(cut -d ' ' -f 1 /proc/loadavg)
busy=''
if awk -v load="$load" 'BEGIN { exit !(load > 0.5) }'; then
  busy=' (busy: these figures say little)'
  note "warning: the load average is $load; on a busy machine these figures, above all the peer's, say little"
fi

# Neither side inherits a choice of BLAS kernels.
clean=(env)
while IFS= read -r name; do clean+=(-u "$name"); done < <(compgen -e | grep '^OPENBLAS_' || true)

stage 'The machine'
"${clean[@]}" "$binaries/swift-peft" doctor | tee "$work/doctor" >&2

# The rates that floors are reckoned by, GFLOP/s of one core.
number() { sed -nE "s/^$1 +[^0-9]*([0-9.]+) GFLOP.*/\1/p" "$work/doctor"; }
rate_float32=$(number 'matrix product')
rate_bfloat16=$(sed -nE 's/^bfloat16 .*; ([0-9.]+) GFLOP.*/\1/p' "$work/doctor")
rate_int8=$(sed -nE 's/^int8 .*; ([0-9.]+) GOP.*/\1/p' "$work/doctor")
precisions=${PRECISIONS:-float32${rate_bfloat16:+ bfloat16}${rate_int8:+ int8}}

# lengths FILE: token counts of SST-2's first 20,000 training sentences, in a fixed shuffled order.
lengths() {
  sed -n '2,20001p' "$GLUE_DIR/SST-2/train.tsv" | cut -f 1 | "$binaries/swift-peft" tokenize "$tokenizer" |
    awk -F, 'BEGIN { srand(1) } { print rand() "\t" NF }' | sort -k 1,1 | cut -f 2 >"$1"
}

# ours CASE ARGUMENTS… and theirs CASE ARGUMENTS…: one JSON line each, added to the case's files.
ours() {
  local name=$1
  shift
  "${clean[@]}" "$binaries/swift-peft-bench" --steps "$steps" --threads "$threads" "$@" | tee -a "$work/$name.ours" >&2 ||
    status=70 die "swift-peft-bench failed on $name"
}
theirs() {
  local name=$1 program=("$python" "$peer" step --steps "$steps")
  shift
  if [[ $name == smollm2-* ]]; then program=("$python" scripts/bench_decoder.py --steps 3); fi
  "${clean[@]}" -u OMP_WAIT_POLICY "${program[@]}" --threads "$threads" "$@" | tee -a "$work/$name.peer" >&2 ||
    status=70 die "the peer failed on $name"
  "${clean[@]}" OMP_WAIT_POLICY=passive "${program[@]}" --threads "$threads" "$@" | tee -a "$work/$name.passive" >&2 ||
    status=70 die "the peer failed on $name with OMP_WAIT_POLICY=passive"
  if [[ $name == sst2-* ]]; then
    # Its batches differ in size, so that it takes more of them for a rate.
    "${clean[@]}" OMP_WAIT_POLICY=passive "$python" "$peer" step --grouped --steps 30 --threads "$threads" "$@" |
      tee -a "$work/$name.grouped" >&2 || status=70 die "the peer failed on $name with groups of lengths"
  fi
}

# median FILE KEY: the median of one number over a file's JSON lines; nothing for no lines.
median() {
  [ -f "$1" ] || return 0
  sed -nE "s/.*\"$2\": *([0-9.eE+-]+).*/\1/p" "$1" | sort -g |
    awk '{ v[NR] = $1 } END { if (NR) print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

# quotient A B: A / B with two digits, or a dash.
quotient() { awk -v a="${1:-0}" -v b="${2:-0}" 'BEGIN { if (a > 0 && b > 0) printf "%.2f", a / b; else printf "–" }'; }

# row TITLE CASE PRECISION: a line of the table. The peer's setting is the one with the higher rate.
row() {
  local title=$1 name=$2-$3 rate=rate_$3 setting=''
  local own=$work/$name.ours best=$work/$name.peer
  if [ -f "$work/$name.passive" ]; then
    setting=default
    if awk -v a="$(median "$work/$name.passive" tokens_per_second)" -v b="$(median "$best" tokens_per_second)" \
      'BEGIN { exit !(a > b) }'; then
      setting=passive best=$work/$name.passive
    fi
  fi
  local floor
  floor=$(awk -v work="$(median "$own" gflop_per_step)" -v rate="${!rate}" -v threads="$threads" \
    'BEGIN { if (rate > 0) print work / rate / threads }')
  local grouped
  grouped=$(quotient "$(median "$own" tokens_per_second)" "$(median "$work/$name.grouped" tokens_per_second)")
  printf '| %s, %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n' "$title" "$3" \
    "$(median "$own" median_step_seconds)" "$(median "$best" median_step_seconds)" \
    "$(median "$own" tokens_per_second)" "$(median "$best" tokens_per_second)" \
    "$(quotient "$(median "$own" tokens_per_second)" "$(median "$best" tokens_per_second)")" "$grouped" \
    "$(quotient "$floor" "$(median "$own" median_step_seconds)")" \
    "$(median "$own" peak_rss_mb)" "$(median "$best" peak_rss_mb)" "$(median "$own" first_step_seconds)" "${setting:-–}"
}

cases=(base minilm smollm2)
if [ -n "${GLUE_DIR:-}" ] && [ -f "$GLUE_DIR/SST-2/train.tsv" ]; then
  tokenizer=${TOKENIZER:-}
  if [ -z "$tokenizer" ]; then
    require_minilm
    tokenizer=$(minilm_directory)
  fi
  lengths "$work/lengths"
  cases+=(sst2-base sst2-minilm)
fi

# arguments CASE SIDE: the flags of one case.
arguments() {
  case "$1" in
    base) echo --shape base --batch 16 --length 128 ;;
    minilm) echo --shape minilm --batch 32 --length 64 ;;
    smollm2) echo --batch 8 --length 512 ;;
    sst2-*) echo --shape "${1#sst2-}" --batch 32 --length 128 ;;
  esac
}

for ((round = 1; round <= rounds; round++)); do
  for name in "${cases[@]}"; do
    for precision in $precisions; do
      stage "Round $round of $rounds: $name, $precision"
      read -ra flags < <(arguments "$name")
      own=() other=(--precision "${precision/int8/bfloat16}")
      if [[ $name == smollm2 ]]; then own=(--shape smollm2); fi
      if [[ $name == sst2-* ]]; then
        own=(--lengths "$work/lengths")
        other+=(--lengths sst2 --glue "$GLUE_DIR" --tokenizer "$tokenizer")
      fi
      ours "$name-$precision" "${flags[@]}" --precision "$precision" "${own[@]}"
      if $has_peer; then theirs "$name-$precision" "${flags[@]}" "${other[@]}"; fi
    done
  done
done

sed -nE 's/^(processor|products|BLAS kernels|instruction peak|matrix product|rank-8 product|bfloat16|int8) +(.*)/\1: \2/p' \
  "$work/doctor"
printf 'load average before: %s%s; rounds: %s, steps in each: %s, threads: %s; medians\n\n' \
  "$load" "$busy" "$rounds" "$steps" "$threads"
cat <<'END'
| step | s, ours | s, peer | tokens/s, ours | tokens/s, peer | ours : peer | ours : peer grouped by length | share of the GEMM floor | MB, ours | MB, peer | s to our first step | peer's OMP_WAIT_POLICY |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
END
for precision in $precisions; do
  for name in "${cases[@]}"; do
    case "$name" in
      base) title='RoBERTa-base, 16 × 128' ;;
      minilm) title='MiniLM shape, 32 × 64' ;;
      smollm2) title='SmolLM2-135M, 8 × 512' ;;
      sst2-base) title="RoBERTa-base, 32 × SST-2's lengths" ;;
      sst2-minilm) title="MiniLM shape, 32 × SST-2's lengths" ;;
    esac
    row "$title" "$name" "$precision"
  done
done

if [ -n "${GGUF_FILES:-}" ]; then
  stage 'Decoding'
  if ! $has_peer; then python=python3; fi
  read -ra files <<<"$GGUF_FILES"
  printf '\n'
  "${clean[@]}" "$python" scripts/bench_decoding.py "$binaries/swift-peft-bench" "${files[@]}" \
    --threads "$threads" --rounds "$rounds"
fi

if [ -n "${TOKENIZERS:-}" ]; then
  stage 'Tokenizers'
  text=${TEXT:-$repository/../shared/text/test.txt}
  [ -f "$text" ] || die "there is no $text: set TEXT"
  # rate FILE THREADS: MB of text a second.
  rate() { grep -E "\"threads\": $2[,}]" "$1" | sed -nE 's/.*"mb_per_second": *([0-9.]+).*/\1/p' | tail -1; }
  printf '\n| tokenizer | MB/s, ours, 1 thread | MB/s, HF, 1 thread | ours : HF | MB/s, ours, %s threads | MB/s, HF | ours : HF |\n' \
    "$threads"
  printf '| --- | --- | --- | --- | --- | --- | --- |\n'
  read -ra directories <<<"$TOKENIZERS"
  for directory in "${directories[@]}"; do
    "$binaries/swift-peft-bench" tokenizer "$directory" "$text" --threads "$threads" | tee "$work/own" >&2
    : >"$work/hf"
    if $has_peer; then
      "$python" scripts/tokenizer_bench.py "$directory" "$text" --threads "$threads" | tee "$work/hf" >&2
    fi
    printf '| %s | %s | %s | %s | %s | %s | %s |\n' "$(basename "$directory")" \
      "$(rate "$work/own" 1)" "$(rate "$work/hf" 1)" "$(quotient "$(rate "$work/own" 1)" "$(rate "$work/hf" 1)")" \
      "$(rate "$work/own" "$threads")" "$(rate "$work/hf" "$threads")" \
      "$(quotient "$(rate "$work/own" "$threads")" "$(rate "$work/hf" "$threads")")"
  done
fi
