"""The records of a study in one SQLite file, so that changes are atomic even if processes are killed.

A trial is pending, running, done or failed. The process that runs a trial holds a lock on a file in its folder. The
system releases the lock when the process ends in any way, so a running trial without a lock is free again.
"""
from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pathlib
import sqlite3
import time
from typing import Dict, Iterator, List, Optional, Set

from tinynets.arch import COSTS
from tinynets.parsing import parse_json
from tinynets.text import shown

WAIT = 60.0  # seconds for another process's transaction
DAMAGED = 'put a copy of the file in its place, or choose another --study folder'
MOST_DEATHS = 5  # deaths of a trial's process, for example for lack of memory, after which the trial has failed

_TABLES = '''
CREATE TABLE IF NOT EXISTS study (config TEXT NOT NULL, facts TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS trials (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, label TEXT NOT NULL, seed INTEGER NOT NULL,
    r REAL NOT NULL, d REAL NOT NULL, w REAL NOT NULL, resolution INTEGER NOT NULL,
    {costs},
    status TEXT NOT NULL DEFAULT 'pending', failures INTEGER NOT NULL DEFAULT 0,
    deaths INTEGER NOT NULL DEFAULT 0, pid INTEGER,
    flag TEXT NOT NULL DEFAULT '', top1 REAL, top5 REAL, loss REAL, seconds REAL, reason TEXT NOT NULL DEFAULT '',
    started REAL, finished REAL, UNIQUE (name, seed));
'''


class _Table(dict):
    """A table of a study; a key that is not there raises ValueError."""

    def __init__(self, path: pathlib.Path, name: str, tree: dict):
        super().__init__(tree)
        self.place = f'{path}: its {name}'

    def __missing__(self, key: str) -> object:
        raise ValueError(f'{self.place} has no {key}; {DAMAGED}')


class Store:
    """A study's folder: `study.db`, and `trials/<id>/` for each trial's log and run."""

    def __init__(self, folder: str):
        self.folder = pathlib.Path(folder)
        self.path = self.folder / 'study.db'

    @contextlib.contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """An exclusive write transaction, committed at its end and rolled back by an exception.

        Raises ValueError if the file is not a study, cannot be written or stays locked.
        """
        try:
            with contextlib.closing(sqlite3.connect(self.path, timeout=WAIT, isolation_level=None)) as database:
                database.row_factory = sqlite3.Row
                database.execute('BEGIN IMMEDIATE')
                try:
                    yield database
                except BaseException:
                    database.execute('ROLLBACK')
                    raise
                database.execute('COMMIT')
        except sqlite3.DatabaseError as error:
            raise ValueError(f'{self.path}: {error}; {_remedy(error)}') from None

    def start(self, config: Dict[str, object], facts: dict, trials: List[dict], check) -> Set[str]:
        """Make the store, or add the trials that it does not have. `check(then, now, folder)` may refuse.

        Failed trials are tried again if `study.retries` has grown. Returns the keys of `facts` that were missing in the
        store of an earlier release; they are added.
        """
        newer: Set[str] = set()
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.change() as database:
            for statement in _TABLES.format(costs=', '.join(f'{name} INTEGER' for name in COSTS)).split(';'):
                database.execute(statement)
            self._add_costs(database, trials)
            row = database.execute('SELECT * FROM study').fetchone()
            if row:
                check(json.loads(row['config']), config, str(self.folder))
                known = json.loads(row['facts'])
                self._check_facts(known, facts)
                newer = facts.keys() - known.keys()
                database.execute('UPDATE study SET config = ?, facts = ?',
                                 (json.dumps(config), json.dumps({**facts, **known})))
                database.execute("UPDATE trials SET deaths = 0 WHERE status != 'done'")
                database.execute("UPDATE trials SET status = 'pending' WHERE status = 'failed' AND failures <= ?",
                                 (config['study.retries'],))
            else:
                database.execute('INSERT INTO study VALUES (?, ?)', (json.dumps(config), json.dumps(facts)))
            for trial in trials:
                database.execute(f'INSERT OR IGNORE INTO trials ({", ".join(trial)}) VALUES '
                                 f'({", ".join("?" * len(trial))})', tuple(trial.values()))
        return newer

    @staticmethod
    def _add_costs(database: sqlite3.Connection, trials: List[dict]) -> None:
        """Add columns for costs that are newer than the study, and fill them in for known trials."""
        held = {row['name'] for row in database.execute('PRAGMA table_info(trials)')}
        for name in [name for name in COSTS if name not in held]:
            database.execute(f'ALTER TABLE trials ADD COLUMN {name} INTEGER')
            database.executemany(f'UPDATE trials SET {name} = ? WHERE name = ?',
                                 [(trial[name], trial['name']) for trial in trials])

    def _check_facts(self, then: dict, now: dict) -> None:
        for key in (key for key in now if then.get(key, now[key]) != now[key]):
            if '.' in key:  # a key of the configuration that names a file
                raise ValueError(f'{self.folder}: was started with another file of {key}: its content has changed. Put '
                                 'it back, or choose another --study folder')
            what = (f'{key} was {then[key]} and is {now[key]}' if key != 'names' else
                    'some images were added, removed or renamed. Put them back, or choose another --study folder')
            raise ValueError(f'{self.folder}: the data have changed: {what}')

    def _query(self, statement: str) -> List[sqlite3.Row]:
        if not self.path.is_file() or not self.path.stat().st_size:  # empty after a start without space
            raise FileNotFoundError(f'{self.folder}: no study there (no study.db); start it with search.py run')
        try:
            with contextlib.closing(sqlite3.connect(self.path, timeout=WAIT)) as database:
                database.row_factory = sqlite3.Row
                return database.execute(statement).fetchall()
        except sqlite3.DatabaseError as error:
            raise ValueError(f'{self.path}: {error}; {_remedy(error)}') from None

    def config(self) -> Dict[str, object]:
        """Return the study's configuration, {section.key: value}. Raises ValueError if it is damaged."""
        return self._table('config')

    def facts(self) -> dict:
        """Return the facts of the start: the base's numbers, chance level, forward passes of a trial, files' hashes.

        Raises ValueError if they are damaged.
        """
        return self._table('facts')

    def _table(self, column: str) -> dict:
        rows = self._query(f'SELECT {column} FROM study')
        with contextlib.suppress(ValueError, TypeError):
            tree = parse_json(rows[0][column]) if rows else None
            if isinstance(tree, dict):
                return _Table(self.path, column, tree)
        raise ValueError(f'{self.path}: its {column} cannot be read; {DAMAGED}')

    def trials(self) -> List[dict]:
        """Every trial's record, by id. Raises ValueError if one is damaged."""
        trials = [dict(row) for row in self._query('SELECT * FROM trials ORDER BY id')]
        for trial in trials:
            if not _whole(trial):
                raise ValueError(f'{self.path}: the record of trial {shown(trial.get("id"))} cannot be read; {DAMAGED}')
        return trials

    def trial_folder(self, number: int) -> pathlib.Path:
        """The folder of a trial."""
        return self.folder / 'trials' / str(number)

    @contextlib.contextmanager
    def taken(self) -> Iterator[Optional[dict]]:
        """Take the first trial that is pending, or was left running by an ended process; None if there is none.

        It belongs to this process until the end of the block.
        """
        for trial in self.trials():
            if trial['status'] not in ('pending', 'running'):
                continue
            with self._lock(trial['id']) as mine:
                if not mine:
                    continue
                with self.change() as database:
                    row = database.execute('SELECT * FROM trials WHERE id = ?', (trial['id'],)).fetchone()
                    if row['status'] not in ('pending', 'running'):
                        continue  # finished meanwhile
                    database.execute("UPDATE trials SET status = 'running', pid = ?, started = ? WHERE id = ?",
                                     (os.getpid(), time.time(), trial['id']))
                yield dict(row)
                return
        yield None

    def alive(self, number: int) -> bool:
        """Whether a process holds a trial. Changes nothing."""
        try:
            with open(self.trial_folder(number) / 'lock') as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
        except FileNotFoundError:
            return False
        except OSError:
            return True

    @contextlib.contextmanager
    def _lock(self, number: int) -> Iterator[bool]:
        folder = self.trial_folder(number)
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / 'lock', 'a') as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                yield False
                return
            yield True

    def finish(self, number: int, seconds: float, flag: str = '', reason: str = '', top1: Optional[float] = None,
               top5: Optional[float] = None, loss: Optional[float] = None) -> None:
        """Record that a trial is done, with its score or the flag that excludes it."""
        self._set(number, seconds, status='done', flag=flag, reason=reason, top1=top1, top5=top5, loss=loss,
                  finished=time.time())

    def fail(self, number: int, reason: str, retries: int) -> None:
        """Record that a trial failed: it becomes pending again, or failed after `retries` further tries."""
        with self.change() as database:
            database.execute("UPDATE trials SET status = CASE WHEN failures < ? THEN 'pending' ELSE 'failed' END, "
                             "failures = failures + 1, reason = ?, finished = ? WHERE id = ? AND status != 'done'",
                             (retries, reason, time.time(), number))

    def died(self, pid: int, killed: bool = False) -> str:
        """Record that a trial's process ended without a result and without a request.

        After MOST_DEATHS in a row without a new checkpoint the trial has failed, or waits if its processes were
        `killed`, which is usually for lack of memory. Returns 'nothing' if the process had no trial, 'killed' if the
        trial waits for that reason, else ''.
        """
        with self.change() as database:
            row = database.execute("SELECT * FROM trials WHERE status = 'running' AND pid = ?", (pid,)).fetchone()
            if row is None:
                return 'nothing'
            checkpoint = self.trial_folder(row['id']) / 'run' / 'last.ckpt'
            progress = checkpoint.is_file() and checkpoint.stat().st_mtime > row['started']
            deaths = 1 if progress else row['deaths'] + 1
            often = deaths >= MOST_DEATHS
            failed = often and not killed
            database.execute('UPDATE trials SET deaths = ?, status = ?, reason = ? WHERE id = ?',
                             (deaths, 'failed' if failed else 'pending',
                              f'its process ended {deaths} times without a result, perhaps for lack of memory' if often
                              else row['reason'], row['id']))
        return 'killed' if often and killed else ''

    def release(self, number: int, seconds: float = 0.0, reason: str = '') -> None:
        """Record that a trial was stopped after `seconds`, on request or for a `reason`; it resumes where it was."""
        self._set(number, seconds, status='pending', reason=reason)

    def _set(self, number: int, seconds: float, **values) -> None:
        """Change a trial that is not done, as a late stop must not undo its end; `seconds` are added."""
        with self.change() as database:
            database.execute(f'UPDATE trials SET {", ".join(f"{key} = ?" for key in values)}, '
                             "seconds = COALESCE(seconds, 0) + ? WHERE id = ? AND status != 'done'",
                             (*values.values(), seconds, number))


def _whole(trial: dict) -> bool:
    """Whether a trial's record has the columns of its table with values of their types."""
    def numbers(*keys: str) -> bool:
        return all(isinstance(trial.get(key), (int, float)) for key in keys)
    scored = trial.get('status') == 'done' and trial.get('flag') == ''
    return (all(isinstance(trial.get(key), str) for key in ('name', 'label', 'flag', 'reason'))
            and trial.get('status') in ('pending', 'running', 'done', 'failed')
            and numbers('id', 'seed', 'r', 'd', 'w', 'resolution', 'failures', 'deaths')
            and all(trial.get(key) is None or numbers(key) for key in ('top5', 'loss', 'seconds'))
            and (not scored or numbers('top1')))


def _remedy(error: sqlite3.DatabaseError) -> str:
    if isinstance(error, sqlite3.OperationalError):
        return 'make sure that the folder is writable and has space, then start it again: nothing is lost'
    return 'is it a study? Choose another --study folder'
