# Sourced by the other scripts with a requirements file: makes .venv in the repository, installs changed requirements,
# puts it first in PATH and sets ROOT. PYTHON names the interpreter for it.
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv="$ROOT/.venv"
supported='import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 13))'
ready() { "$venv/bin/python" -c "$supported" && "$venv/bin/python" -m pip --version; } >/dev/null 2>&1
candidates=(python3.11 python3.12 python3.10 python3)
[ -z "${PYTHON:-}" ] || candidates=("$PYTHON")
for candidate in "${candidates[@]}"; do
    ready || { "$candidate" -c "$supported" && "$candidate" -m venv "$venv"; } >/dev/null 2>&1 || continue
done
ready || { echo "error: cannot make $venv with Python 3.10 to 3.12; install one with its venv module (Debian:" \
    "apt-get install python3-venv) or name it: PYTHON=/path/to/python3.11. A broken .venv must be moved away." >&2
    return 2; }
wanted=$(cat "$ROOT"/requirements*.txt | cksum)
if [ "$(cat "$venv/installed-$1" 2>/dev/null)" != "$wanted" ]; then
    echo "installing $1 into .venv" >&2
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$ROOT/$1" \
        && echo "$wanted" > "$venv/installed-$1" || return
fi
export PATH="$venv/bin:$PATH"
