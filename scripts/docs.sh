#!/usr/bin/env bash
# Makes the documentation of the library products with DocC, which comes with Swift: no plugin, no package more.
# A link in a doc comment that leads nowhere is an error.
#
#   scripts/docs.sh [DIRECTORY]    (default: .build-docs/site, to be looked at with any web server)
#
#   SCRATCH   where to build (default .build-docs)
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$repository"
require_system no-install
scratch=${SCRATCH:-.build-docs}
output=${1:-$scratch/site}
docc=$(command -v docc) || die "docc is not on PATH. It comes with Swift: put its usr/bin on PATH."
# The targets of the product SwiftPEFT, as Package.swift lists them.
mapfile -t modules < <(sed -n '/name: "SwiftPEFT"/,/\]/p' Package.swift | grep -o '"[A-Za-z]*"' | tr -d '"' | tail -n +2)

stage 'Symbol graphs'
swift package --scratch-path "$scratch" dump-symbol-graph --minimum-access-level public --skip-synthesized-members >&2
graphs=$(dirname "$(find "$scratch" -path '*symbolgraph/Training.symbols.json' | head -n 1)")

stage "Documentation of ${modules[*]}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for module in "${modules[@]}"; do
  mkdir -p "$work/$module"
  cp "$graphs/$module.symbols.json" "$graphs/$module"@*.symbols.json "$work/$module/" 2>/dev/null || true
  "$docc" convert "Sources/$module/$module.docc" --additional-symbol-graph-dir "$work/$module" \
    --fallback-display-name "$module" --fallback-bundle-identifier "swift-peft.$module" \
    --warnings-as-errors --output-path "$work/$module.doccarchive" >&2
done
"$docc" merge "$work"/*.doccarchive --synthesized-landing-page-name SwiftPEFT --output-path "$work/all.doccarchive" >&2
rm -rf "$output"
mkdir -p "$(dirname "$output")"
"$docc" process-archive transform-for-static-hosting "$work/all.doccarchive" --output-path "$output" >&2
printf '%s: %s pages\n' "$output" "$(find "$output/documentation" -name index.html | wc -l)"
