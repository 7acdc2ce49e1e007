#!/usr/bin/env bash
# Everything that CI checks: format, one release build with warnings as errors, all tests, the numeric ones once more
# on other BLAS kernels, a short run of the real program on a real model, and the documents. Ends with "N passed, N
# failed".
#
#   scripts/test.sh [--no-install]
#
#   --no-install   never call apt-get; say what is missing instead
#   GLUE_DIR       if set: GLUE in its own layout; more tests run, and the program trains on $GLUE_DIR/SST-2
#   MINILM_DIR     if set: the all-MiniLM-L6-v2 checkpoint to use instead of downloading it
#   SCRATCH        where to build (default .build-test, apart from .build, because the compiler flags differ)
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

install=
for argument; do
  case "$argument" in
    --no-install) install=no-install ;;
    *) status=64 die "unknown argument $argument (only --no-install is known)" ;;
  esac
done

cd "$repository"
require_system "$install"
require_minilm
MINILM_DIR=$(minilm_directory)
export MINILM_DIR
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

# check WHAT COMMAND…: runs the command and counts how it ended.
check() {
  local what=$1
  shift
  if "$@" >"$work/output" 2>&1; then
    passed=$((passed + 1))
    printf 'ok      %s\n' "$what"
  else
    failed=$((failed + 1))
    printf 'FAILED  %s\n' "$what"
    head -n 40 "$work/output" | sed 's/^/        /'
  fi
}

# The last line that a program's reader, human or not, looks for.
finish() {
  printf '\n%d min %d s\n%d passed, %d failed\n' $((SECONDS / 60)) $((SECONDS % 60)) "$passed" "$failed"
  [ "$failed" -eq 0 ]
}

stage 'Format'
check 'swift format lint --strict' swift format lint --strict --parallel --recursive Sources Tests Package.swift

stage 'Release build of everything, warnings as errors'
# One build for the tests and the program they run: --skip-build below takes it as it is.
build=(-c release -Xswiftc -enable-testing --scratch-path "${SCRATCH:-.build-test}")
if ! swift build "${build[@]}" --build-tests >"$work/build" 2>&1; then
  cat "$work/build"
  failed=$((failed + 1))
  finish
  exit 1
fi
tail -n 1 "$work/build"
program=$(swift build "${build[@]}" --show-bin-path)/swift-peft
passed=$((passed + 1))

# run_tests WHAT ARGUMENTS…: prints what failed and the closing line, and counts every test.
run_tests() {
  local what=$1 status=0 total problems
  shift
  swift test "${build[@]}" --skip-build "$@" >"$work/tests" 2>&1 || status=$?
  total=$(sed -nE 's/.*Test run with ([0-9]+) tests?.*/\1/p' "$work/tests" | tail -n 1)
  problems=$(grep -E '^. Test .* failed after ' "$work/tests" | grep -cv '^. Test run with ' || true)
  # A run that died counts as a failure, and so does one that found no tests.
  if [ "$status" -ne 0 ] && [ "$problems" -eq 0 ] || [ "${total:-0}" -eq 0 ]; then problems=$((problems + 1)); fi
  if [ "$problems" -gt 0 ]; then
    # Anywhere in a line: what a test prints may stand before it.
    grep -a -A 8 ' recorded an issue ' "$work/tests" | grep -vE '^. (Test|Suite) .* (started|passed)' | head -n 200 || true
    tail -n 20 "$work/tests"
  fi
  [ "${total:-0}" -ge "$problems" ] && passed=$((passed + total - problems))
  failed=$((failed + problems))
  printf '%s: %s tests, %s failed\n' "$what" "${total:-0}" "$problems"
}

stage 'Tests'
for launcher in mpirun.openmpi mpirun.mpich; do
  command -v "$launcher" >/dev/null || note "skipped: the tests of several processes under $launcher, which is not installed"
done
run_tests 'all tests'

if grep -qw avx2 /proc/cpuinfo 2>/dev/null; then
  stage 'Numeric tests once more, on the BLAS kernels of an older processor'
  OPENBLAS_CORETYPE=Haswell run_tests 'OPENBLAS_CORETYPE=Haswell' --filter '^(KernelsTests|AutogradTests|TrainingTests)\.'
fi

stage 'The program on all-MiniLM-L6-v2'
data=$repository/configs/quickstart-data
if [ -n "${GLUE_DIR:-}" ] && [ -f "$GLUE_DIR/SST-2/train.tsv" ]; then data=$GLUE_DIR/SST-2; fi
note "data: $data"
one=$work/one two=$work/two database=$work/runs.sqlite
train=("$program" train --quiet --database "$database")
aslora='{"start_step": 4, "merge_interval": 3, "num_merges": 2}'
config=(configs/quickstart.json --set "model=$MINILM_DIR" --set "task.data_dir=$data" --set training.max_steps=12
  --set task.max_train_samples=384 --set task.max_eval_samples=300 --set "adapter.aslora=$aslora")

# Each of these is one check.
is_number() { [[ $(json_number "$2" <"$1") =~ ^[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$ ]] || { cat "$1" && false; }; }
all_there() { for file; do [ -s "$file" ] || { echo "missing: $file" && return 1; }; done; }
status_is() {
  local wanted=$1 status=0
  shift
  "$@" || status=$?
  [ "$status" -eq "$wanted" ] || { echo "exit status $status instead of $wanted" && return 1; }
}
# A safetensors file holds every trained number once: 8 bytes, the header, 4 bytes a number.
holds_each_number_once() {
  local bytes header trained
  bytes=$(stat -c %s "$1/adapter_model.safetensors")
  header=$(od -An -tu8 -N8 "$1/adapter_model.safetensors" | tr -d ' ')
  trained=$("$program" compare-params "$1" --strategies aslora --format csv | awk -F, 'END { print $3 }')
  echo "$bytes bytes, header $header, $trained trained parameters"
  [ "$bytes" -eq $((8 + header + 4 * trained)) ]
}
same_scores_again() {
  cp "$one/eval_results.json" "$work/trained.json"
  "$program" eval "$one" --quiet --predictions "$work/predictions.tsv" && cmp "$work/trained.json" "$one/eval_results.json"
}
# A shard alone gets a team of threads, which cuts products with packed weights (train) as those with stored ones (eval).
same_scores_of_few() {
  "${train[@]}" "${config[@]}" --set task.max_eval_samples=6 --output-dir "$work/few" --threads 2 &&
    cp "$work/few/eval_results.json" "$work/few.json" && "$program" eval "$work/few" --quiet --threads 2 &&
    cmp "$work/few.json" "$work/few/eval_results.json"
}
predicts_the_same() {
  head -n 301 "$data/dev.tsv" >"$work/dev.tsv"
  "$program" predict "$one" "$work/dev.tsv" --quiet >"$work/predicted.tsv" && cmp "$work/predictions.tsv" "$work/predicted.tsv"
}

check 'train, one thread' "${train[@]}" "${config[@]}" --output-dir "$one" --threads 1
check 'the run and its database are there' all_there "$one/adapter_model.safetensors" "$one/adapter_config.json" \
  "$one/run_config.json" "$one/eval_results.json" "$database"
check 'accuracy is a number' is_number "$one/eval_results.json" accuracy
check 'loss is a number' is_number "$one/eval_results.json" loss
check 'every trained number is stored once' holds_each_number_once "$one"
check 'eval repeats the last score' same_scores_again
check 'predict repeats the predictions of eval' predicts_the_same
check 'eval repeats the last score of a split of one shard' same_scores_of_few
check 'train on run_config.json, two threads' "${train[@]}" "$one/run_config.json" --output-dir "$two" --threads 2
check 'one and two threads: the same adapter, byte by byte' cmp "$one/adapter_model.safetensors" "$two/adapter_model.safetensors"
check 'one and two threads: the same scores' cmp "$work/trained.json" "$two/eval_results.json"
check 'a taken output directory is refused' status_is 73 "${train[@]}" "${config[@]}" --output-dir "$two"
check 'runs compare' "$program" runs compare 1 2 --database "$database"
check 'runs report' "$program" runs report --database "$database" --output "$work/report.html"
if command -v chromium chromium-browser google-chrome >/dev/null; then
  check 'the report in a headless Chromium' scripts/report_check.sh "$work/report.html" "$work"
else
  note 'skipped: the report in a browser (apt-get install chromium)'
fi
check 'compare-params' "$program" compare-params "$MINILM_DIR"
check 'tokenize' test "$(echo 'a great film' | "$program" tokenize "$MINILM_DIR")" = '[101,1037,2307,2143,102]'
check 'doctor' "$program" doctor --json
check 'documents agree with the program' scripts/check_docs.sh "$program"
sed 's/"lora_alpha"/"lora_alhpa"/' configs/quickstart.json >"$work/misspelt.json"
check 'a config with an unknown key is bad input (65)' status_is 65 "${train[@]}" "$work/misspelt.json"
check 'a missing config is a missing input (66)' status_is 66 "${train[@]}" "$work/none.json"
check 'an unknown flag is bad usage (64)' status_is 64 "$program" train --fast configs/quickstart.json

finish
