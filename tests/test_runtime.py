"""What reaches the terminal of a text that others may have written."""
import pytest

from src.runtime import describe, printable
from src.training.progress import tell


@pytest.mark.parametrize('text, shown', [
    ('a\x1b[2Jb', 'a\\x1b[2Jb'), ('\x9b2J\x85.', '\\x9b2J\\x85.'), ('\r\tc\0\x7f', '\\r\\tc\\x00\\x7f'),
    ('n\udc80.png', 'n\\udc80.png'), *[('Größe \u2013 \u732b \U0001f431\u200d a\\b',) * 2]])
def test_control_characters_are_shown_not_sent(text, shown, capsys):
    assert printable(text) == shown == printable(shown)
    assert printable('a\nb') == 'a\\nb'
    tell(f'lines\n{text}')
    assert capsys.readouterr().out == f'lines\n{shown}\n'


def test_errors_of_files_are_printable():
    assert describe(OSError(2, 'No such file', 'a\x1b[2J')) == 'a\\x1b[2J: No such file'
    assert describe(ValueError('one\n two \x1b')) == 'one two \\x1b' and describe(ValueError()) == 'ValueError'
