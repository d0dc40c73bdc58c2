"""Codes of data, controllers and the folders of runs (E08xx)."""

from __future__ import annotations

from archdsl.syntax.explanation import row

RUN_ROWS = (
    row(
        "E0801",
        "an unknown controller",
        "`random` draws architectures uniformly; `reinforce` and `ppo` are an LSTM that learns "
        "from rewards; `evolution`, `local`, `tree` and `qlearning` follow what was good; "
        "`predictor`, `pnas`, `nao` and `tnas` ask a model; `pareto` is for several objectives, "
        "`halving` looks longer at the best; `tpe` and `nsga2` are Optuna's; `exec` and `call` are "
        "yours. "
        "Settings are written behind: `evolution(population=30)`.",
    ),
    row(
        "E0802",
        "unknown data",
        "Data is named `digits` (embedded), `cifar10:ROOT`, `cifar100:ROOT`, `flowers102:ROOT` or "
        "`folder:PATH`.",
    ),
    row(
        "E0803",
        "the files of a data set are not there",
        "Nothing is downloaded. Put the official files where the hint says, then name that folder.",
    ),
    row(
        "E0804",
        "the network does not fit the data",
        "The network takes images of its own size and channels and tells a number of classes "
        "apart; the classes and channels must be those of the data. Sizes are adapted.",
        'archdsl search "SPACE" --data digits',
        'archdsl search "SPACE(classes=10)" --data digits',
    ),
    row(
        "E0805",
        "another process is at work in this folder",
        "A run belongs to one process at a time. The lock goes with the process, however it ends.",
    ),
    row(
        "E0806",
        "the folder of a run cannot be written",
        "The disk is full or the folder may not be written; or it is no run, and has files that a "
        "run would replace. What was there is intact, and the same command goes on from it.",
    ),
    row(
        "E0807",
        "a file of a run cannot be read",
        "A checkpoint, ledger or settings file is not what archdsl wrote. Move it away to begin "
        "anew.",
    ),
    row(
        "E0808",
        "the ledger does not fit the run",
        "A run that goes on asks again for what it asked since its last checkpoint, and must ask "
        "for the same. Where it does not, another version or another machine made the ledger.",
    ),
    row(
        "E0809",
        "a run goes on with other settings",
        "The same command goes on; another one needs a folder of its own. The message lists what "
        "differs.",
    ),
    row(
        "E0810",
        "a setting that means nothing",
        "Numbers of epochs, steps and images are at least 1, rates are positive, and the device is "
        "one that torch finds.",
    ),
    row(
        "E0811",
        "weights that do not fit the network",
        "To inherit weights, every tensor of the network must be in the file under its name and "
        "with its shape: a supernet of the same space, with the same parameters.",
    ),
    row(
        "E0842",
        "training diverged",
        "The loss, or a gate, became what is no number, and no later step brings the weights back. "
        "A smaller learning rate, a warm-up or `clip` in a recipe helps; that is another run, with "
        "a folder of its own.",
    ),
    row(
        "E0860",
        "a method says what means nothing",
        "A method has the settings of `archdsl search`, or several stages that have them. Data, "
        "seed, threads and device are options of the run. An evaluator may name a stage before it, "
        "whose shared weights it reads.",
        "method mine { controller = reinforce budget = 10 }",
        "method mine { controller = reinforce epochs = 10 }",
    ),
    row(
        "E0861",
        "an unknown method",
        "A method is a file that holds one, one of a file given with --space, or one that ships.",
        "archdsl run SPACE --method typo ...",
        "archdsl run SPACE --method my_method.arch ...",
    ),
    row(
        "E0862",
        "a stage that found nothing",
        "Every evaluation of one stage of a method failed, so the next has nothing to go on with. "
        "How each failed stands in the ledger of its folder.",
    ),
    row(
        "E0863",
        "two networks of one title, or a title that is too long",
        "What a run compares with has a title in its table and a folder: that of its space, or "
        "`TITLE=X`.",
        "archdsl run s.arch --against a.arch --against a.arch ...",
        "archdsl run s.arch --against a.arch --against second=a.arch ...",
    ),
    row(
        "E0864",
        "a stage with nothing to search",
        "`fixed = STAGE` keeps what was found in the outermost levels of decisions; a stage "
        "searches what they leave open, which is nothing in a space of as many levels.",
    ),
)
