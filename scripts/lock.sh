#!/bin/sh
# Resolves every extra anew and writes requirements.lock: the versions that `make setup` installs,
# so that two machines get the same. Called by `make lock`; installs nothing. Environment:
#   EXTRAS   extras of pyproject.toml that the lock covers (default: all of them)
set -eu
cd "$(dirname "$0")/.."
EXTRAS=${EXTRAS:-server,realsense,recordings,index,ros2,clip,bind,dev}
report=$(mktemp)
trap 'rm -f "$report"' EXIT

.venv/bin/python -m pip install --quiet --dry-run --ignore-installed --report "$report" \
    ./bindstream ".[$EXTRAS]"
.venv/bin/python - "$report" "$EXTRAS" >requirements.lock <<'PY'
import json, sys
from pathlib import Path

report, extras = sys.argv[1:]
told = [item["metadata"] for item in json.loads(Path(report).read_text())["install"]]
pins = {m["name"].lower().replace("_", "-"): m["version"] for m in told}
python = "{}.{}".format(*sys.version_info)
print(f"# Versions of [{extras}] for Python {python}, resolved by `make lock`; constraints of pip.")
for name, version in sorted(pins.items()):
    if not name.startswith("bindstream"):
        print(f"{name}=={version}")
PY
printf '%s\n' "lock: $(grep -c == requirements.lock) versions in requirements.lock"
