#!/usr/bin/env bash
# Compares two builds of swift-peft byte by byte: trains every config of scripts/compare with both on tiny models and on
# data that it makes, then compares what came out. To be run before and after a change that must not alter results.
#
#   scripts/compare_builds.sh OLD NEW [CASE…]
#
#   OLD            the earlier program, or a directory of its outputs that OLD_OUTPUTS kept
#   NEW            the later program
#   CASE           the names of the cases to run, as in scripts/compare/CASE.json, or parameters (default: all)
#   OLD_OUTPUTS    where to keep the outputs of OLD, for later comparisons on this machine (default: they are deleted)
#   NEW_OUTPUTS    where to keep the outputs of NEW, to look into a difference (default: they are deleted)
#   MINILM_DIR     the all-MiniLM-L6-v2 checkpoint (default: models/all-MiniLM-L6-v2; without it two cases are skipped)
#   JOBS           cases that run at the same time (default: the number of processors)
#
# Compared are adapter_model.safetensors, eval_results.json, every metric in the database but rates, predictions
# (eval --predictions, predict), generated texts, and the directories that merge and export write. NEW also scores the
# run that OLD trained, and resumes the run that OLD left unfinished. The last line counts cases; the status is 1 where
# one failed.
#
# A case is a run config whose first lines may hold options of this script:
#
#   //! threads N        worker threads (default 2)
#   //! first FILE       a config in scripts/compare/first to train beforehand, into first/
#   //! stop SIGNAL N    send SIGNAL once there is a checkpoint of step N or later, then resume; the result must be that
#                        of a run without a stop
#   //! predict FILE     run predict on this file
#   //! generate FILE [FLAGS]   continue the lines of this file: greedily, by drawing and by beam search
#   //! eval FLAGS       more flags for eval
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

[ $# -ge 2 ] || status=64 die "usage: $0 OLD NEW [CASE…]"
old=$(readlink -f "$1") || die "there is no $1"
new=$(readlink -f "$2") || die "there is no $2"
shift 2
[ -d "$old" ] || [ -x "$old" ] || die "$old is neither a program nor a directory"
[ -f "$new" ] && [ -x "$new" ] || die "$new is not a program"
cases=$repository/scripts/compare
golden=$repository/Tests/TrainingTests/Golden
minilm=$(minilm_directory)
jobs=${JOBS:-$(nproc)}
work=$(mktemp -d /tmp/swift-peft-compare-XXXXXX)
trap 'rm -rf "$work"' EXIT

# -- inputs

# sentences COUNT START FORMAT: rows in one of the layouts below; `good` and `great` make the label.
sentences() {
  awk -v count="$1" -v start="$2" -v format="$3" -v labels="${4:-}" '
    function text(row, words, i, out) {
      words = split("the movie is good and film bad very great story not time", word, " ")
      for (i = 0; i < 2 + row * 7 % 11; i++) out = out (i ? " " : "") word[(row * 31 + i * (i + row)) % words + 1]
      return out
    }
    BEGIN {
      split("entailment neutral contradiction", relation, " ")
      split("films books news", topic, " ")
      for (row = start; row < start + count; row++) {
        a = text(row); b = text(row * 3 + 1); label = a ~ /good|great/ ? 1 : 0
        if (format == "sst2") print a "\t" label
        else if (format == "cola") print "gj04\t" label "\t" (label ? "" : "*") "\t" a
        else if (format == "mrpc") print label "\t" row "\t" row + 1 "\t" a " \"" "\t" b
        else if (format == "stsb")
          printf "%d\tmain\tfilms\t2012\t%04d\tnone\tnone\t%s\t%s\t%.3f\n", row, row, a, b, row * 7 % 51 / 10
        else if (format == "qnli") print row "\t" a "\t" b "\t" (label ? "entailment" : "not_entailment")
        else if (format == "mnli") {
          out = row "\t" row "\t" row "\tfilm\t(a)\t(b)\t(A)\t(B)\t" a "\t" b
          for (i = 0; i < labels; i++) out = out "\t" relation[(row + i) % 3 + 1]
          print out "\t" relation[row % 3 + 1]
        }
        else if (format == "topics") print topic[length(a) % 3 + 1] "\t" a "\t" b
        else if (format == "lines") print a " " b
        else if (format == "jsonl") print "{\"text\": \"" a ".\\n" b "\"}"
        else if (format == "instruct") {
          input = row % 3 ? "" : b
          out = "{\"instruction\": \"" a "\", \"input\": \"" input "\", \"output\": \"" b "\"}"
          print (row == start ? "[" : ",") out
        }
        else if (format == "e2e") {
          name = word[row % 12 + 1]
          print "\"name[The " name "], area[" word[row * 5 % 12 + 1] "]\",\"" b ", \"\"" name "\"\"\""
        }
        else if (format == "quiz") {
          print "Is the " word[row % 12 + 1] " good?,yes,\"no, it is\",not " row ",very," substr("ABCD", row % 4 + 1, 1)
        }
        else if (format == "questions") {
          out = "\"choices\": [\"good " row "\", \"a very bad story\", \"not\"], \"answer\": " row % 3 "}"
          print "{\"question\": \"" a "\", " out
        }
      }
      if (format == "instruct") print "]"
    }'
}

# model NAME SOURCE: a copy of a tiny checkpoint, without what other tests keep beside it.
model() {
  local file
  mkdir -p "$models/$1"
  for file in "$golden/$2"/{config.json,tokenizer*,vocab.*,merges.txt,model*.safetensors,model*.index.json}; do
    if [ -f "$file" ]; then cp "$file" "$models/$1/"; fi
  done
}

make_inputs() {
  local name
  models=$work/inputs/models data=$work/inputs/data
  for name in bert-tiny roberta-tiny bert-tiny-bf16 bert-tiny-f16 bert-tiny-sharded; do model "$name" "$name"; done
  for name in gpt2-tiny gpt2-untied gpt2-tiny-bf16 llama-grouped llama-grouped-bf16 llama-linear llama-wide; do
    model "$name" "decoders/$name"
  done
  for name in bf16 f16 sharded; do cp "$models"/bert-tiny/{tokenizer*,vocab.txt} "$models/bert-tiny-$name/"; done
  cp "$models/gpt2-tiny/tokenizer.json" "$models/gpt2-tiny-bf16/"
  cp "$models/llama-grouped/tokenizer.json" "$models/llama-grouped-bf16/"
  for name in gpt2-tiny llama-grouped; do cp -r "$golden/decoders/$name/peft" "$models/$name-peft"; done
  # BERT's own dropout, and a LLaMA that has room for prompts and knows how to chat.
  model bert-dropout bert-tiny
  sed -i 's/_dropout_prob": 0.0/_dropout_prob": 0.1/' "$models/bert-dropout/config.json"
  model llama-chat decoders/llama-grouped
  sed -i 's/"max_position_embeddings": 64/"max_position_embeddings": 512/' "$models/llama-chat/config.json"
  cat >"$models/llama-chat/tokenizer_config.json" <<'JSON'
{
  "eos_token": "<|endoftext|>",
  "chat_template": "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}{{ '<|im_start|>system\\nYou know films<|endoftext|>\\n' }}{% endif %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|endoftext|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
}
JSON
  mkdir -p "$models"/{roberta-base,gpt2-medium,llama-7b}
  cat >"$models/roberta-base/config.json" <<'JSON'
{ "model_type": "roberta", "vocab_size": 50265, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
  "intermediate_size": 3072, "max_position_embeddings": 514, "type_vocab_size": 1, "hidden_act": "gelu",
  "layer_norm_eps": 1e-05, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2 }
JSON
  echo '{ "model_type": "gpt2", "n_embd": 1024, "n_layer": 24, "n_head": 16 }' >"$models/gpt2-medium/config.json"
  echo '{ "model_type": "llama" }' >"$models/llama-7b/config.json"
  if [ -f "$minilm/model.safetensors" ]; then ln -s "$(readlink -f "$minilm")" "$models/minilm"; fi

  mkdir -p "$data"/{sst2,cola,mrpc,stsb,qnli,mnli,topics,text,instruct,e2e,quiz/{auxiliary_train,dev,val,test}}
  { printf 'sentence\tlabel\n' && sentences 96 1 sst2; } >"$data/sst2/train.tsv"
  { printf 'sentence\tlabel\n' && sentences 40 1000 sst2; } >"$data/sst2/dev.tsv"
  sentences 96 1 cola >"$data/cola/train.tsv"
  sentences 40 1000 cola >"$data/cola/dev.tsv"
  name='Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n'
  { printf "$name" && sentences 96 1 mrpc; } >"$data/mrpc/train.tsv"
  { printf "\\xef\\xbb\\xbf$name" && sentences 40 1000 mrpc; } >"$data/mrpc/dev.tsv"
  name='index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore\n'
  { printf "$name" && sentences 96 1 stsb; } >"$data/stsb/train.tsv"
  { printf "$name" && sentences 40 1000 stsb; } >"$data/stsb/dev.tsv"
  { printf 'index\tquestion\tsentence\tlabel\n' && sentences 96 1 qnli; } >"$data/qnli/train.tsv"
  { printf 'index\tquestion\tsentence\tlabel\n' && sentences 40 1000 qnli; } >"$data/qnli/dev.tsv"
  name='index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\tsentence2_binary_parse\tsentence1_parse'
  name+='\tsentence2_parse\tsentence1\tsentence2'
  { printf "$name\\tlabel1\\tgold_label\\n" && sentences 96 1 mnli 1; } >"$data/mnli/train.tsv"
  name+='\tlabel1\tlabel2\tlabel3\tlabel4\tlabel5\tgold_label\n'
  { printf "$name" && sentences 40 1000 mnli 5; } >"$data/mnli/dev_matched.tsv"
  { printf "$name" && sentences 40 2000 mnli 5; } >"$data/mnli/dev_mismatched.tsv"
  { printf 'topic\tfirst\tsecond\n' && sentences 96 1 topics; } >"$data/topics/train.tsv"
  { printf 'topic\tfirst\tsecond\n' && sentences 40 1000 topics; } >"$data/topics/dev.tsv"
  for name in lines jsonl; do
    sentences 120 1 "$name" >"$data/text/train.${name/lines/txt}"
    sentences 30 1000 "$name" >"$data/text/validation.${name/lines/txt}"
  done
  sentences 60 1 instruct >"$data/instruct/train.json"
  sentences 20 1000 instruct >"$data/instruct/validation.json"
  { echo mr,ref && sentences 60 1 e2e; } >"$data/e2e/trainset.csv"
  { echo mr,ref && sentences 6 1000 e2e; } >"$data/e2e/devset.csv"
  sentences 40 3 quiz >"$data/quiz/auxiliary_train/films.csv"
  for name in dev val test; do
    sentences 4 1 quiz >"$data/quiz/$name/art_$name.csv"
    sentences 5 6 quiz >"$data/quiz/$name/law_$name.csv"
  done
  sentences 40 1 questions >"$data/quiz/train.jsonl"
  sentences 12 1000 questions >"$data/quiz/validation.jsonl"
  printf 'the movie is\ngood and very\nnot a bad film, but\n' >"$data/prompts"
  printf 'name[The film], area[good]\nname[The time]\n' >"$data/meanings"
}

# What kept outputs hang on besides the program: inputs, configs and the machine.
inputs_digest() {
  {
    (cd "$work/inputs" && find . -type f -print0 | sort -z | xargs -0 sha256sum)
    (cd "$cases" && find . -type f -print0 | sort -z | xargs -0 sha256sum)
    sed -n '/^model name\|^flags/p' /proc/cpuinfo | sort -u
    env | grep -E '^(OPENBLAS|DNNL|ONEDNN|OMP|SWIFT_PEFT)_' | sort || true
  } | sha256sum | cut -d ' ' -f 1
}

# -- one case with one program, in its own directory

# option NAME CONFIG: an option of the script in a config's first lines.
option() { sed -n "s,^//! $1 *,,p" "$2"; }

# run ARGUMENTS…: the program; where it fails, so does the case.
run() {
  printf '+ %s\n' "$*" >>log
  "$program" "$@" 2>>log || {
    echo "status $? of: $*" >>failures
    return 1
  }
}

# keep DIRECTORY NAME: its files among those to compare, large ones as their digests.
keep() {
  local file
  mkdir -p "out/$2"
  for file in "$1"/*; do
    if [ "$(stat -c %s "$file")" -gt 10000000 ]; then
      sha256sum <"$file" >"out/$2/${file##*/}.sha256"
    else
      mv "$file" "out/$2/"
    fi
  done
  rm -r "$1"
}

# reached STEP: whether there is a checkpoint of that step or a later one.
reached() {
  local last
  last=$(find run/checkpoints -name 'step-*' 2>/dev/null | sort | tail -n 1)
  last=${last##*-}
  [ "$((10#${last:-0}))" -ge "$1" ]
}

# interrupt SIGNAL STEP ARGUMENTS…: trains, and sends the signal after that step.
interrupt() {
  local signal=$1 step=$2 pid status=0
  shift 2
  printf '+ %s (to be stopped)\n' "$*" >>log
  "$program" "$@" >>log 2>&1 &
  pid=$!
  while kill -0 "$pid" 2>/dev/null && ! reached "$step"; do sleep 0.01; done
  kill "-$signal" "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || status=$?
  [ "$status" -eq $((128 + $(kill -l "$signal"))) ] ||
    echo "status $status instead of a stop by SIG$signal: $*" >>failures
}

# score RUN DIRECTORY OUT: scores a run into a directory, and puts what is compared into OUT.
score() {
  local more=()
  grep -qE '"name": "(causal-lm|instruct)"' case.json || more=(--predictions "$3/predictions.tsv")
  # Unquoted: a list of flags.
  run eval "$1" --output-dir "$2" --database "$2.sqlite" "${more[@]}" $eval "${flags[@]}" >>log || return
  cp "$2/eval_results.json" "$3/eval_results_again.json"
}

# metrics: everything measured but rates.
metrics() { run runs export --database runs.sqlite | grep -v '_per_second,' >out/metrics.csv; }

# run_case CASE: trains and does everything that is compared, in the current directory.
run_case() {
  local config=$cases/$1.json threads first stop predict generate more eval flags file
  threads=$(option threads "$config") first=$(option first "$config") stop=$(option stop "$config")
  predict=$(option predict "$config") generate=$(option generate "$config") eval=$(option eval "$config")
  flags=(--threads "${threads:-2}" --quiet)
  mkdir out
  cp "$config" case.json
  if [ -n "$first" ]; then
    run train "$cases/first/$first" --output-dir first --database first.sqlite "${flags[@]}" >>log || return
  fi
  if [ -n "$stop" ]; then
    # Unquoted: signal and step.
    interrupt $stop train case.json --output-dir run "${flags[@]}"
    cp -r run stopped 2>>log || return
    run train case.json --output-dir run --resume "${flags[@]}" >>log || return
    run train case.json --output-dir whole --database whole.sqlite "${flags[@]}" >>log || return
    for file in adapter_model.safetensors eval_results.json; do
      cmp "run/$file" "whole/$file" >>failures 2>&1 || true
    done
  else
    run train case.json --output-dir run "${flags[@]}" >>log || return
  fi
  metrics || return
  cp run/adapter_model.safetensors run/eval_results.json out/
  score run again out || return
  if [ -n "$predict" ]; then
    run predict run "$predict" "${flags[@]}" >out/predict.tsv || return
    run predict run "$predict" --json "${flags[@]}" >out/predict.jsonl || return
  fi
  if [ -n "$generate" ]; then
    read -r generate more <<<"$generate"
    # Unquoted: a list of flags.
    flags+=(--max-new-tokens 10 $more)
    run generate run "${flags[@]}" <"$generate" >out/greedy.txt || return
    run generate run --temperature 0.8 --top-k 40 --top-p 0.9 --repetition-penalty 1.1 --seed 7 "${flags[@]}" \
      <"$generate" >out/drawn.txt || return
    run generate run --num-beams 3 --no-repeat-ngram-size 3 --json "${flags[@]}" <"$generate" >out/beams.jsonl || return
  fi
  run merge run --output merged --quiet >>log || return
  keep merged merged
  run export run --format peft --output peft --quiet >>log || return
  keep peft peft
  if [ -n "$generate" ] && grep -q '"model_type": "llama"' out/merged/config.json; then
    run export run --format gguf --output out/adapter.gguf --quiet >>log || return
  fi
  run compare-params case.json --format json >out/parameters.json || return
}

# run_parameters: tables of real shapes, in every format.
run_parameters() {
  local name
  mkdir out
  for name in roberta-base,query,value gpt2-medium,c_attn.q,c_attn.v gpt2-medium,c_attn llama-7b,q_proj,k_proj,v_proj \
    llama-7b,q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj roberta-base,all-linear; do
    for format in table json csv markdown; do
      run compare-params "../../inputs/models/${name%%,*}" --r 8 --num-merges 5 --target-modules "${name#*,}" \
        --format "$format" >"out/$name.$format" || return
    done
  done
}

# run_earlier CASE: what the new program makes of the old one's run and checkpoints, in the current directory.
run_earlier() {
  local config=$cases/$1.json threads eval flags
  threads=$(option threads "$config") eval=$(option eval "$config")
  flags=(--threads "${threads:-2}" --quiet)
  [ -d "$old_outputs/$1/run" ] || return 0
  cp -r "$old_outputs/$1/run" earlier
  mkdir earlier-out
  score earlier earlier-scores earlier-out || return
  if [ -d "$old_outputs/$1/stopped" ]; then
    cp -r "$old_outputs/$1/stopped" run-earlier
    flags+=(--output-dir run-earlier --database resumed.sqlite)
    if "$program" train case.json --resume "${flags[@]}" >>log 2>refusal; then
      cp run-earlier/adapter_model.safetensors run-earlier/eval_results.json earlier-out/
    else
      # A later program may know more that would change the result.
      echo "does not resume the old program's run: $(tail -n 1 refusal)" >>notes
    fi
  fi
}

# in_turn FUNCTION DIRECTORY: the function for every case in its directory under that one, some at a time.
in_turn() {
  local name
  for name in "${selected[@]}"; do
    while [ "$(jobs -pr | wc -l)" -ge "$jobs" ]; do wait -n || true; done
    (
      mkdir -p "$2/$name"
      cd "$2/$name"
      if [ "$name" = parameters ]; then
        [ "$1" = run_earlier ] || run_parameters || true
      else
        "$1" "$name" || [ -s failures ] || echo "$1 ended early" >>failures
      fi
    ) &
  done
  wait
}

# keep_outputs FROM TO: replaces what an earlier comparison kept there.
keep_outputs() {
  echo "$digest" >"$1/inputs.sha256"
  rm -rf "$2"
  mkdir -p "$2"
  cp -r "$1/." "$2"
}

# -- which cases

for directory in "${OLD_OUTPUTS:-}" "${NEW_OUTPUTS:-}"; do
  if [ -z "$directory" ] || [ -f "$directory/inputs.sha256" ]; then continue; fi
  [ -z "$(ls -A "$directory" 2>/dev/null)" ] ||
    die "$directory holds files that are not kept outputs: name another directory"
done

bfloat16=false
if "$new" doctor 2>/dev/null | grep -q '^bfloat16 .*GFLOP'; then bfloat16=true; fi
make_inputs

if [ $# -gt 0 ]; then names=("$@"); else
  names=(parameters)
  for name in "$cases"/*.json; do
    name=${name##*/}
    names+=("${name%.json}")
  done
fi
selected=() skipped=0
for name in "${names[@]}"; do
  if [ "$name" = parameters ]; then
    selected+=("$name")
    continue
  fi
  [ -f "$cases/$name.json" ] || die "there is no case $name"
  if ! $bfloat16 && grep -q '"precision": "bfloat16"' "$cases/$name.json"; then
    note "skipped $name: this processor has no bfloat16 products"
    skipped=$((skipped + 1))
  elif [ ! -e "$work/inputs/models/minilm" ] && grep -q 'models/minilm' "$cases/$name.json"; then
    note "skipped $name: there is no model in $minilm (set MINILM_DIR)"
    skipped=$((skipped + 1))
  else
    selected+=("$name")
  fi
done

# -- both programs

digest=$(inputs_digest)
if [ -d "$old" ]; then
  [ "$(cat "$old/inputs.sha256" 2>/dev/null)" = "$digest" ] ||
    die "$old was kept with other configs, data or settings, or on another machine: give the old program instead"
  old_outputs=$old
  for name in "${selected[@]}"; do
    [ -d "$old/$name" ] || die "$old holds no case $name: give the old program instead"
  done
else
  stage "${#selected[@]} cases with $old"
  old_outputs=$work/old program=$old
  in_turn run_case "$work/old"
  if [ -n "${OLD_OUTPUTS:-}" ]; then keep_outputs "$work/old" "$OLD_OUTPUTS"; fi
fi
stage "${#selected[@]} cases with $new"
program=$new
in_turn run_case "$work/new"
stage "$new on what the old program left"
in_turn run_earlier "$work/new"
if [ -n "${NEW_OUTPUTS:-}" ]; then keep_outputs "$work/new" "$NEW_OUTPUTS"; fi

# -- the comparison

# differences CASE: one line for each thing that is wrong with it.
differences() {
  local file before=$old_outputs/$1 after=$work/new/$1
  if [ -s "$before/failures" ]; then sed 's/^/old: /' "$before/failures"; fi
  if [ -s "$after/failures" ]; then sed 's/^/new: /' "$after/failures"; fi
  while IFS= read -r file; do
    if [ ! -f "$after/out/$file" ]; then
      echo "$file: only the old program wrote it"
    elif [ ! -f "$before/out/$file" ]; then
      echo "$file: only the new program wrote it"
    else
      cmp -s "$before/out/$file" "$after/out/$file" || echo "$file: differs"
    fi
  done < <(find "$before/out" "$after/out" -type f -printf '%P\n' 2>/dev/null | sort -u)
  if [ -d "$after/earlier-out" ]; then
    for file in "$after"/earlier-out/*; do
      cmp -s "$before/out/${file##*/}" "$file" ||
        echo "${file##*/}: differs where the new program takes up the old one's run"
    done
  fi
}

stage 'Results'
passed=0 failed=0
printf '%-34s %6s  %s\n' case files result
for name in "${selected[@]}"; do
  wrong=$(differences "$name")
  if [ -s "$work/new/$name/notes" ]; then sed "s/^/note: $name: /" "$work/new/$name/notes" >&2; fi
  count=$(find "$old_outputs/$name/out" "$work/new/$name/earlier-out" -type f 2>/dev/null | wc -l || true)
  if [ -z "$wrong" ] && [ "$count" -gt 0 ]; then
    passed=$((passed + 1))
    printf '%-34s %6d  same\n' "$name" "$count"
  else
    failed=$((failed + 1))
    printf '%-34s %6d  DIFFERENT\n' "$name" "$count"
    sed 's/^/    /' <<<"${wrong:-nothing was compared}"
  fi
done
printf '%d passed, %d failed' "$passed" "$failed"
if [ "$skipped" -gt 0 ]; then printf ', %d skipped' "$skipped"; fi
echo
[ "$failed" -eq 0 ]
