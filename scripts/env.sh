# Sourced by the other scripts with a requirements file: makes .venv in the repository once, installs into it, puts it
# first in PATH and sets ROOT. PYTHON names the interpreter to make it from.
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv="$ROOT/.venv"
for candidate in ${PYTHON:-python3.11 python3.12 python3.10 python3 python}; do
    [ ! -x "$venv/bin/python" ] || break
    "$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 13))' 2>/dev/null || continue
    "$candidate" -m venv "$venv" || rm -rf "$venv"
done
[ -x "$venv/bin/python" ] || { echo "error: no environment without Python 3.10 to 3.12 and its venv module (Debian:" \
    "apt-get install python3-venv); name another interpreter with PYTHON=/path/to/python3.11" >&2; exit 2; }
wanted=$(cat "$ROOT"/requirements*.txt | cksum)
if [ "$(cat "$venv/installed-$1" 2>/dev/null)" != "$wanted" ]; then
    echo "installing $1 into .venv" >&2
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$ROOT/$1"
    echo "$wanted" > "$venv/installed-$1"
fi
export PATH="$venv/bin:$PATH"
