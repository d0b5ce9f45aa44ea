#!/bin/sh
# Hands a request on standard input to gadugi, as /agent:orchestrator-agent calls it:
#
#     printf '%s\n' 'Execute these prompts:' '- lexer.md' '- parser.md' | .claude/orchestrator/run_orchestrator.sh
#
# Further arguments are those of `gadugi run`.
set -eu

if ! command -v gadugi >/dev/null 2>&1; then
    echo "error: gadugi is not on PATH (hint: cargo install --path crates/cli, in a clone of gadugi)" >&2
    exit 3
fi
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
exec gadugi run --project-root "$root" --stdin "$@"
