"""Imported first by every command: Ctrl-C while its other modules are being imported ends it without a traceback."""
import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)  # until src/stopping.py listens
