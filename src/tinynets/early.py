"""Imported first by every command: Ctrl-C while its other modules are being imported ends it without a traceback."""
import _signal  # built in; `signal` itself imports `enum` and others, for ten milliseconds

_signal.signal(_signal.SIGINT, _signal.SIG_DFL)  # until stopping.py listens
