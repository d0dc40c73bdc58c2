"""Codes of names, files and the command line (E07xx), of inherited weights, of ourselves."""

from __future__ import annotations

from archdsl.syntax.explanation import row

FILE_ROWS = (
    row(
        "E0522",
        "an architecture breaks a constraint of its space",
        "What the space says with `where` holds for every architecture that is drawn from it. "
        "`archdsl cost` prints the figures that it bounds.",
    ),
    row(
        "E0701",
        "a space that is not known",
        "A string begins with the name of its space, which is looked up in the files given with "
        "--space, then among those that ship: `archdsl spaces` lists them.",
    ),
    row(
        "E0702",
        "a run without a result",
        "RUN:best is the best architecture of the folder of a finished search, which holds it as "
        "network.py. An unfinished search goes on with the command that began it.",
    ),
    row(
        "E0703",
        "two of one name",
        "The spaces of a file and of those given with --space have different names, and so have "
        "its recipes and its methods. What ships may be replaced.",
    ),
    row(
        "E0704",
        "a file with several spaces",
        "Where one space is meant, a file with several does not say which: give the file with "
        "--space and name the space.",
    ),
    row(
        "E0705",
        "a whole space where one architecture belongs",
        "A network has costs, an identity and a file network.py once every hole is filled. "
        "`archdsl sample SPACE` draws an architecture; `archdsl show SPACE` says what is open.",
    ),
    row(
        "E0706",
        "a Python file that was not generated",
        "Files that archdsl writes carry the string they were made from, and at their end the "
        "text of its space as comments. Nothing in them is run to read it.",
    ),
    row(
        "E0707",
        "a file that cannot be written",
        "Files are written whole or not at all: what was there before is intact. `archdsl new` "
        "never replaces a file.",
    ),
    row(
        "E0708",
        "a file that cannot be read",
        "It is missing, a folder, larger than 64 MiB, or no text in UTF-8.",
    ),
    row(
        "E0709",
        "an argument that means nothing here",
        "The command has no use for it; what it takes is listed under `expected`.",
    ),
    row(
        "E0710",
        "the machine could not do it",
        "Memory, the disk or the operating system refused; nothing is wrong with the text.",
    ),
    row(
        "E0711",
        "a file that describes no device",
        "--device takes cpu, gpu, none, or a file of `archdsl tune`: lines `call = 3e-05` and the "
        "like, for the seconds of a call, the bytes and the multiply-accumulates of a second.",
    ),
    row(
        "E0812",
        "weights of another network",
        "Weights are taken exactly as the network.py or supernet.py saves them that they are said "
        "to be of (--from of `archdsl inherit`, X of `archdsl compile --weights`), no more and no "
        "less. Parameters of the space count: another width is another network.",
    ),
    row(
        "E0813",
        "weights that the optimised network cannot take",
        "Merged operations share their statistics, which differ in this file. The network as "
        "written (-O 0) takes them.",
    ),
    row(
        "E0814",
        "an optimised network that computes something else",
        "Before weights are written for an optimised network, it runs against the network as "
        "written. Weights so large that float32 cannot tell make them differ; otherwise it is a "
        "mistake in the compiler.",
    ),
    row(
        "E0815",
        "an exported network that computes something else",
        "Before a file is written, what it holds runs against the network as written, on random "
        "inputs at two sizes of the batch. Weights so large that float32 cannot tell make them "
        "differ; otherwise it is a mistake, of archdsl, of torch's exporter or of onnxruntime.",
    ),
    row(
        "E0816",
        "a network that cannot be exported",
        "torch's exporter has no form for one of its operations, or the file would be larger than "
        "its format allows (ONNX: 2 GB). The other format may do; `archdsl compile` writes every "
        "network as Python.",
    ),
    row(
        "E0817",
        "packages that a format needs are missing",
        "ONNX files are written by `onnx` and `onnxscript` and checked in `onnxruntime`.",
        "",
        "pip install 'archdsl[export]'",
    ),
    row(
        "E0818",
        "settings that a controller has not",
        "A controller is named with its settings like a space with its parameters; "
        "`archdsl search --help` lists them.",
        'archdsl search my.arch -o run --controller "evolution(size=30)"',
        'archdsl search my.arch -o run --controller "evolution(population=30)"',
    ),
    row(
        "E0819",
        "a file that is no table of architectures",
        "A table for `--evaluator table(...)` is a CSV file (it may be packed by gzip) whose first "
        "line names its columns: one of architectures, in our strings or in a foreign format, and "
        "one of numbers to make large.",
    ),
    row(
        "E0820",
        "an unknown evaluator",
        "`shared` trains a supernet and judges paths of it, `supernet` judges by one that was "
        "trained; `train` trains each from scratch, `score` none; `table` reads what somebody "
        "measured; `exec` and `call` are yours.",
    ),
    row(
        "E0821",
        "a package that is needed is missing",
        "`tpe` and `nsga2` are Optuna's; `--ray` needs Ray (`archdsl[ray]`), and the curves of "
        "`archdsl report` matplotlib (`archdsl[report]`).",
        "",
        "pip install 'archdsl[optuna]'",
    ),
    row(
        "E0822",
        "an unknown reward",
        "A reward makes one number of what was measured: `mnasnet` of a value and a cost.",
        'archdsl search s.arch --reward \'mnas(value="accuracy", cost="params", target=5)\' ...',
        'archdsl search s.arch --reward \'mnasnet(value="accuracy", cost="params", target=5)\' ...',
    ),
    row(
        "E0823",
        "objectives that are none",
        "Objectives are different names of what was measured, a - before what is to be small.",
        "archdsl search s.arch --objectives 'accuracy' ...",
        "archdsl search s.arch --objectives 'accuracy, -latency' ...",
    ),
    row(
        "E0824",
        "workers that end before they measure anything",
        "With `--workers` processes of their own measure what was proposed. Several ended one "
        "after another without a proposal at hand; what they said is in the folder of the run.",
    ),
    row(
        "E0825",
        "an evaluator that is no function",
        "`call` takes a function of yours, `module:name`. The module is looked for in the working "
        "directory and among those that are installed, and imported.",
        "archdsl search s.arch --evaluator 'call(function=\"mine.py\")' ...",
        "archdsl search s.arch --evaluator 'call(function=\"mine:accuracy\")' ...",
    ),
    row(
        "E0826",
        "a controller of yours that cannot go on",
        "`exec:COMMAND` answers every line of JSON with one, `call:MODULE:NAME` is a function of a "
        "space and a seed to what has `ask` and `tell`; both propose architectures of the space.",
    ),
    row(
        "E0827",
        "no Ray cluster",
        "`--ray` takes the address of a running cluster (`ray start --head` prints it), `auto` for "
        "the one that this machine belongs to, or `local` for one of this machine alone.",
        "archdsl search s.arch --ray nowhere:1 ...",
        "archdsl search s.arch --ray local ...",
    ),
    row(
        "E0828",
        "a file that is no table of latencies",
        "`operations(file=...)` reads the milliseconds of every operation, by its text and the "
        "shapes that it takes.",
        "archdsl search s.arch --latency 'operations(file=\"notes.txt\")' ...",
        "archdsl tune --operations s.arch -o phone.json",
    ),
    row(
        "E0829",
        "an unknown way to tell latencies",
        "`measured` runs the network here; `operations` adds up what a file says of its "
        "operations.",
        "archdsl search s.arch --latency 'guessed' ...",
        "archdsl search s.arch --latency 'measured(threads=2)' ...",
    ),
    row(
        "E0830",
        "a recipe says what means nothing",
        "A recipe has settings, each once: numbers, yes or no; an optimizer and a schedule with "
        "settings of their own; and augmentations, one behind the other.",
        "train mine { optimizer = adamw(rate=0.1) }",
        "train mine { optimizer = adamw(learning_rate=0.1) }",
    ),
    row(
        "E0831",
        "an unknown recipe",
        "A recipe is a file that holds one, one of a file given with --space, or one that ships.",
        "archdsl retrain X --recipe typo ...",
        "archdsl retrain X --recipe my_recipe.arch ...",
    ),
    row(
        "E0832",
        "a run that scores too few architectures to audit",
        "An audit compares the scores of a search with a truth, which takes at least three "
        "different architectures with a score: of shared weights those of the last outer epoch and "
        "after it count, and gates give a score to what they point to alone.",
        "archdsl audit RETRAINING",
        "archdsl audit RUN",
    ),
    row(
        "E0850",
        "stages of a search that do not fit the space",
        "A search in stages drops alternatives after each, and may let a whole number of the space "
        "grow. The first stage has all alternatives, the last one fewer, and decides all that the "
        "space decides.",
        "archdsl search s.arch --controller 'darts(grow=\"layers=2, 4, 6\")' ...",
        "archdsl search s.arch --controller 'darts(grow=\"depth=2, 4, 6\")' ...",
    ),
    row(
        "E0880",
        "processes that do not hear each other",
        "torchrun starts several processes that train one network together. They did not find each "
        "other, or one of them ended. The same command goes on from the last checkpoint.",
    ),
    row(
        "E0905",
        "archdsl failed",
        "An error of archdsl, not of the text: please report it with the input.",
    ),
)
