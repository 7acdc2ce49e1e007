#!/usr/bin/env bash
# Times a training step of every method beside LoRA at the method's effective rank, in turns, and prints the ratio of the
# medians. Needs a machine that is otherwise idle.
#
#   scripts/methods_bench.sh [PROGRAM] [SHAPE]    (default: .build/release/swift-peft-bench, base)
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$repository"
program=${1:-.build/release/swift-peft-bench}
shape=${2:-base}
[ -x "$program" ] || die "there is no $program: swift build -c release --product swift-peft-bench"
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE

# seconds ARGUMENTS...: the median step.
seconds() {
  "$program" step --shape "$shape" --steps 6 "$@" | sed -nE 's/.*"median_step_seconds": ([0-9.]+).*/\1/p'
}

# compare NAME EFFECTIVE_RANK ARGUMENTS...
compare() {
  local name=$1 rank=$2 lora method
  shift 2
  lora=$(seconds --strategy lora --r "$rank")
  method=$(seconds "$@")
  printf '%-14s %8.3f s   lora r %-4s %8.3f s   %+6.1f %%\n' "$name" "$method" "$rank" "$lora" \
    "$(awk -v a="$method" -v b="$lora" 'BEGIN { print 100 * (a / b - 1) }')"
}

compare share-a 8 --strategy share-a
compare dora 8 --strategy lora --use-dora
compare vera 256 --strategy vera --r 256
compare tied-lora 8 --strategy tied-lora
compare lora-xs 25 --strategy lora-xs --r 25
compare rasa 19 --strategy rasa
compare msplora 14 --strategy msplora
compare bslora 14 --strategy bslora
compare residual 16 --strategy residual
compare gralora 16 --strategy gralora
compare rosa 8 --strategy rosa
compare vb-lora 4 --strategy vb-lora --r 4 --options '{"vector_length": 128}'
compare miss 8 --strategy miss
compare mos 8 --strategy mos --options '{"equivalent_rank": 3}'
compare uni-lora 4 --strategy uni-lora --r 4
compare lora-fa 8 --strategy lora-fa
