"""Imported first by every command, so that Ctrl-C during the other imports ends it without a traceback."""
import _signal  # built in; `signal` itself imports `enum` and others, for ten milliseconds

_signal.signal(_signal.SIGINT, _signal.SIG_DFL)  # until stopping.py sets its handlers
