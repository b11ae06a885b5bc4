"""The notebook in docs/: its cells run in order and give the results in its text."""
import json
import subprocess
import sys


def test_the_notebook_goes_from_a_budget_to_predictions(root, tmp_path):
    notebook = json.loads((root / 'docs' / 'from_budget_to_predictions.ipynb').read_text())
    cells = [''.join(cell['source']) for cell in notebook['cells'] if cell['cell_type'] == 'code']
    assert not any(cell.get('outputs') for cell in notebook['cells'])  # saved without outputs
    cells.append('''
import json
cost = network.cost
print(json.dumps([cost, outcome.best['top1'], [f.max_difference / f.largest_logit for f in made],
                  sum(r.right for r in results), len(results), picture]))''')
    done = subprocess.run([sys.executable, '-c', '\n'.join(cells)], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    cost, top1, differences, right, count, picture = json.loads(done.stdout.splitlines()[-1])
    assert 0.97 * 2.5e6 <= cost <= 2.5e6
    assert top1 > 80 and len(differences) == 2 and max(differences) < 1e-4
    assert count == 16 and right >= 10 and (tmp_path / picture).stat().st_size > 10_000
    assert f'top-1 {top1:.2f} % at epoch' in done.stdout
