#!/usr/bin/env bash
# An environment with anomalib's WinCLIP, to measure against: tools/anomalib_env.sh DIRECTORY
# open_clip 2.24.0 is the last that anomalib's windows are right with (its issue 2571).
set -euo pipefail
directory=${1:?usage: tools/anomalib_env.sh DIRECTORY}
python3 -m venv "$directory"
"$directory/bin/pip" install --quiet torch==2.14.1 torchvision==0.29.1
"$directory/bin/pip" install --quiet anomalib==2.7.0 open-clip-torch==2.24.0
echo "flawline bench --anomalib $directory/bin/python"
