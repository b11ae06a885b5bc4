"""`python -m tinynets` is `tinynets`."""
import sys

from tinynets.cli import main

sys.argv[0] = 'tinynets'
main()
