"""Train, evaluate, export, check and classify in one run, and print a table of the results."""
from __future__ import annotations

import os
from typing import Dict, Optional, Tuple

from rich.console import Console
from rich.table import Table

from tinynets import stopping
from tinynets.config import Config
from tinynets.deploy.classify import classify, samples_of_dataset
from tinynets.deploy.export import Exported, export
from tinynets.deploy.predict import load_predictor
from tinynets.files import write_json
from tinynets.output import side_product
from tinynets.runtime import on_cpu
from tinynets.tasks.classification.evaluate import Result, evaluate, exact_top1
from tinynets.training.loop import train
from tinynets.training.plots import confusion_matrix, predictions
from tinynets.training.run import RunFolder

CONFUSION, PREDICTIONS = 'confusion.png', 'predictions.png'


def quickstart(config: Config, device: str, path: str, resume: bool = False) -> dict:
    """Run the main job in a run folder; return the results, which are also written to summary.json there.

    The accuracy is measured with the exported MINDIR, the file that a device would run, on the validation split.
    """
    outcome = train(config, device, path, resume)
    stopping.check()
    run: RunFolder = outcome.run
    result, made = on_cpu(deploy, config, path, str(run.best), exact_top1(outcome.best) if device == 'CPU' else None)
    summary = {
        'model': config.model.name, 'data': config.data.name, **result.summary(),
        'train_seconds': round(outcome.seconds, 1), 'checkpoint': str(run.best), 'mindir': made['MINDIR'].path,
        'onnx': made['ONNX'].path, 'manifest': made['MINDIR'].manifest,
        'max_difference': max(item.max_difference for item in made.values()), 'curve': str(run.curve),
        'confusion': os.path.join(path, CONFUSION), 'predictions': os.path.join(path, PREDICTIONS)}
    target = run.path / 'summary.json'
    write_json(target, summary)
    table = Table('made', 'where or how much', title='What the quickstart made')
    for key, value in {**summary, 'summary': str(target)}.items():
        table.add_row(key, f'{value:.3g}' if key == 'max_difference' else str(value))
    Console(width=120).print(table)
    return summary


def deploy(config: Config, path: str, best: str, top1: Optional[float]) -> Tuple[Result, Dict[str, Exported]]:
    """Export the best checkpoint of a run folder, score the MINDIR and draw its predictions of some images.

    `top1` is the checkpoint's score on the CPU; None computes it. Raises ValueError if the MINDIR's score differs.
    """
    made = {item.format: item for item in export(best, ('MINDIR', 'ONNX'), os.path.join(path, 'export'))}
    model = load_predictor(made['MINDIR'].path)
    dataset = model.dataset(config.data, 'val')
    result = evaluate(model.predict, dataset, model.transform, config.data.batch_size)
    if top1 is None:
        top1 = evaluate(load_predictor(best).predict, dataset, model.transform, config.data.batch_size).top1
    if result.correct != round(top1 * result.count / 100):
        raise ValueError(f'the exported model scores {result.top1:.2f} %, the checkpoint {top1:.2f} %')
    confusion, drawn = os.path.join(path, CONFUSION), os.path.join(path, PREDICTIONS)
    with side_product(confusion):
        confusion_matrix(result.confusion, model.class_names, f'exported model, top-1 {result.top1:.2f} %',
                         path=confusion)
    named = list(classify(model, samples_of_dataset(dataset, 24)))
    with side_product(drawn):
        predictions([r.image for r in named], [r.caption for r in named], [r.right for r in named], path=drawn)
    return result, made
