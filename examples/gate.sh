#!/usr/bin/env bash
# A gate for CI: fails unless a pruned network surely keeps within so many points of Acc@1.
#
#     examples/gate.sh POINTS [options of network-prune sweep]
#     examples/gate.sh 2 --method weights --p-prune 0.5
#
# "Surely": the paired 95% interval of the difference to the dense network, on the same images,
# doesn't reach below the loss. Few images make it wide; the table says how small a loss they can
# show. It ends with 0 if every variant passes, 1 if one doesn't or the run failed, 2 for a wrong call.
#
# As a step of a GitHub workflow:
#
#     - run: pip install network-prune
#     - run: examples/gate.sh 1 --arch model.py:build --weights model.pt --data images --p-prune 0.3
set -euo pipefail

if [[ ! ${1-} =~ ^[0-9]+([.][0-9]+)?$ ]]; then
    echo "usage: $0 POINTS [options of network-prune sweep], e.g. $0 2 --p-prune 0.1" >&2
    exit 2
fi
points=$1
shift

# A folder of its own, so that nothing recorded earlier is judged as well.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

network-prune sweep "$@" --out "$folder/gate" > /dev/null  # compare prints what counts
network-prune compare "$folder/gate" --max-drop "$points"
