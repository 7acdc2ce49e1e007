#!/usr/bin/env bash
# Builds one program file that needs no Swift where it runs: Swift's libraries are linked in, symbols are stripped.
# OpenBLAS, oneDNN, SQLite, OpenSSL's libcrypto and curl stay shared libraries: where the program runs, the packages
# libopenblas0, libdnnl, libonig5, libsqlite3-0, libssl3 and libcurl4 (names vary with the release) must be installed.
#
#   scripts/release.sh [DIRECTORY]    (default: dist)
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$repository"
require_system no-install
compiles '#include <curl/curl.h>
  int main(void) { return curl_version() == 0; }' -lcurl || die 'missing: libcurl4-openssl-dev (name of a Debian package)'
directory=${1:-dist}
build=(-c release --static-swift-stdlib --product swift-peft --scratch-path "${SCRATCH:-.build-release}")
stage 'Building with the Swift libraries linked in (some minutes)'
swift build "${build[@]}" >&2
built=$(swift build "${build[@]}" --show-bin-path)/swift-peft
mkdir -p "$directory"
strip -o "$directory/swift-peft" "$built"
"$directory/swift-peft" --version
if ldd "$directory/swift-peft" | grep -i 'libswift\|libFoundation'; then die 'Swift libraries are still needed'; fi
printf '%s: %s bytes (%s before stripping)\n' "$directory/swift-peft" "$(stat -c %s "$directory/swift-peft")" \
  "$(stat -c %s "$built")"
