#!/usr/bin/env bash
# The life of a key with the plain nats CLI: no program of ours is needed to use Keyledger.
#
#   CONTEXT=/path/to/keyledger-admin.json examples/nats_cli.sh [KEY]
set -euo pipefail

key=${1:-shell-demo}
nats=${KEYLEDGER_NATS:-nats}
command=("$nats" --context "${CONTEXT:?set CONTEXT to the context file that keyledger init wrote}")

ask() { # subject, payload
    local answer
    echo "--- $1"
    answer=$("${command[@]}" req --raw "$1" "$2")
    printf '%s\n\n' "$answer"
    # A refusal is an answer too: its status says so, its reason and message say why.
    [[ $answer != '{"status":"rejected"'* ]]
}

ask "keys.commands.key.generate.$key" '{"algorithm":"ed25519","activate":true,"title":"made by a shell script"}'
ask "keys.commands.key.rotate.$key" '{"reason":"drill"}'
ask "keys.queries.inventory.show.$key" ''
ask "keys.commands.key.revoke.$key" '{"revocation_reason":"superseded","reason":"the drill is over"}'
ask "keys.queries.history.key.$key" ''
