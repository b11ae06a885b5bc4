"""What scripts and notes of earlier releases call: src/tinynets/launch.py."""
import pathlib
import runpy

runpy.run_path(str(pathlib.Path(__file__).parent / 'tinynets' / 'launch.py'), run_name='__main__')
