"""The demonstration, with its plan cut down to seconds."""

from __future__ import annotations

import subprocess
import sys
import tomllib

from archdsl.run.demo import PLAN, demonstrate


def test_the_demo_prints_what_it_promises(tmp_path, capsys):
    plan = tomllib.loads(PLAN.read_text(encoding="utf-8"))
    plan["settings"]["threads"] = 1
    plan["first"]["search"] = plan["second"]["search"] = {
        "epochs": 1, "controller_steps": 2, "derive_samples": 2, "measure_samples": 2,
    }  # fmt: skip
    plan["retrain"] = {"epochs": 1}
    demonstrate(plan, tmp_path, quiet=True)
    told = capsys.readouterr()
    for row in ("found", *(baseline["title"] for baseline in plan["baselines"])):
        assert f"\n  {row} " in told.out
    for word in ("accuracy", "parameters", "MACs", "seconds", "reward spread", "batch noise",
                 "ratio", "distinguishable", "From the best baseline"):  # fmt: skip
        assert word in told.out
    assert told.err == ""  # no bars where there is no terminal
    network = tmp_path / "found" / "network.py"
    assert str(network) in told.out.replace("\n", "")
    done = subprocess.run([sys.executable, network], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
