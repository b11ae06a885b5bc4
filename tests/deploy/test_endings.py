"""Which files predict.py takes, and the formats that the help of export.py names."""
import argparse

import pytest

from tinynets.cli import export, predict
from tinynets.deploy.predict import LOADERS


def parsed(command, *arguments):
    parser = argparse.ArgumentParser()
    command.arguments(parser)
    return parser, parser.parse_args(arguments)


def test_predict_takes_every_file_that_has_a_loader(monkeypatch):
    class Reached(Exception):
        pass

    def reach(*arguments):
        raise Reached
    monkeypatch.setattr(predict, 'configure', reach)
    monkeypatch.setitem(LOADERS, '.new', reach)
    for ending in ('.ckpt', '.mindir', '.onnx', '.new', '.NEW'):
        with pytest.raises(Reached):
            predict.main(parsed(predict, '--model', f'x{ending}', '--images', '.')[1])
    with pytest.raises(ValueError, match='x.h5: the ending must be one of .ckpt, .mindir, .onnx, .new'):
        predict.main(parsed(predict, '--model', 'x.h5', '--images', '.')[1])


def test_the_help_of_export_names_every_format():
    from tinynets.deploy.export import FORMATS
    text = parsed(export, '--checkpoint', 'x')[0].format_help()
    assert all(name in text for name in FORMATS)
