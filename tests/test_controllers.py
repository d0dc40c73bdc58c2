"""Controllers: the numbers of the papers, what they learn, and that their state is exact."""

from __future__ import annotations

import random
import re
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save

from archdsl.controllers import CONTROLLERS, METHODS, Reinforce, State, Told, make_controller
from archdsl.controllers.features import Walked
from archdsl.controllers.reinforce import ReinforceSettings
from archdsl.controllers.seeds import seed_for, stream
from archdsl.controllers.subsets import Subsets
from archdsl.controllers.vae import VAE, trained
from archdsl.ops.binding import show, signature
from archdsl.space.walks import Walks
from archdsl.syntax.errors import ArchError
from archdsl.syntax.tree import Quantity
from tests.quick import QUICK, quickly
from tests.shipped import shipped, written

LEARNS = ReinforceSettings(learning_rate=3.5e-3)
EVERY_KIND_OF_HOLE = """
archdsl 1
space holes() {
  cell mix(x) {
    a = x -> {id | relu | both = {wide = conv(4, k=1) | narrow = conv(4, k=3)} -> {bn | id}}
    b = sum(2 of {x = x | a = a | act = a -> relu})
    c = sum(x, any of {a = a | b = b})
    return c -> {only = id}
  }
  net network(image: 4 x 4 x 4) { return image -> mix -> global_pool -> linear(2) }
}
"""


def sizes(quantity, count, n):
    match quantity:
        case Quantity.ANY:
            return range(n + 1)
        case _:
            return (count,)


KINDS = [
    (Quantity.ONE, 1, 5),
    (Quantity.SOME, 1, 4),
    (Quantity.SOME, 2, 5),
    (Quantity.SOME, 4, 5),
    (Quantity.ANY, 1, 4),
]


@pytest.mark.parametrize(("quantity", "count", "n"), KINDS)
def test_subsets_are_a_distribution(quantity, count, n):
    """Probabilities sum to 1, inclusion and entropy are those of the listed sets."""
    logits = torch.tensor([0.3, -2.0, 1.7, 0.0, 2.4][:n], dtype=torch.float64)
    sets = Subsets(logits, quantity, count)
    every = [s for size in sizes(quantity, count, n) for s in combinations(range(n), size)]
    logs = torch.stack([sets.log_probability(s) for s in every])
    assert logs.exp().sum().item() == pytest.approx(1, abs=1e-12)
    entropy = -(logs.exp() * logs).sum().item()
    assert sets.entropy().item() == pytest.approx(entropy, abs=1e-12)
    taken = [sum(p for s, p in zip(every, logs.exp(), strict=True) if i in s) for i in range(n)]
    torch.testing.assert_close(sets.inclusion(), torch.stack(taken))


@pytest.mark.parametrize(("quantity", "count", "n"), KINDS)
def test_subsets_are_sampled_as_they_are_likely(quantity, count, n):
    from scipy.stats import chisquare

    sets = Subsets(torch.tensor([0.3, -1.0, 1.2, 0.0, 0.9][:n]), quantity, count)
    every = [s for size in sizes(quantity, count, n) for s in combinations(range(n), size)]
    rng = random.Random(7)
    draws = Counter(sets.sample(rng) for _ in range(4000))
    assert set(draws) <= set(every)
    expected = [4000 * sets.log_probability(s).exp().item() for s in every]
    scale = 4000 / sum(expected)
    assert chisquare([draws[s] for s in every], [e * scale for e in expected]).pvalue > 1e-4


def test_the_policy_starts_as_published():
    policy = Reinforce(shipped("metaformer_nas"), seed=3).policy
    assert policy.cell.hidden_size == 64
    assert sorted(head.out_features for head in policy.heads) == [1, 2, 2, 2, 2, 2, 3]
    assert policy.embedding.weight.shape == (14, 64)
    for parameter in policy.parameters():
        assert parameter.abs().max() <= 0.1
        if parameter.numel() > 100:
            assert parameter.abs().max() > 0.09
            assert parameter.mean().abs() < 0.02


def test_logits_are_tempered():
    """logits / 5, then 2.5 tanh: even a huge linear leaves every alternative alive."""
    controller = Reinforce(shipped("nas_bench_201"), seed=3)
    seen = []

    def first(_, sets):
        seen.append(sets.logits.detach())
        return (0,)

    head = controller.policy.heads[0]
    with torch.no_grad():
        head.weight.zero_()
        head.bias.copy_(torch.tensor([0.0, 5.0, -5.0, 1e6, -1e6]))
    controller.policy.walk(first)
    tanh_1 = torch.tanh(torch.tensor(1.0)).item()
    torch.testing.assert_close(seen[0], torch.tensor([0.0, 2.5 * tanh_1, -2.5 * tanh_1, 2.5, -2.5]))


def test_the_baseline_is_a_moving_average_with_one_entry_a_decision():
    controller = Reinforce(shipped("nas_bench_201"), seed=3)
    (first,) = controller.ask(1)
    entropy = retraced_entropy(controller, first)
    controller.tell([Told(first, 0.5)])
    torch.testing.assert_close(controller.baseline, 0.5 + 1e-4 * entropy)
    (second,) = controller.ask(1)
    before, entropy = controller.baseline.clone(), retraced_entropy(controller, second)
    controller.tell([Told(second, 0.9)])
    torch.testing.assert_close(controller.baseline, 0.95 * before + 0.05 * (0.9 + 1e-4 * entropy))
    assert controller.baseline.shape == (6,)


def retraced_entropy(controller, text):
    return controller.policy.retrace(controller.space.parse(text)).entropy.detach().double()


def test_the_first_reward_moves_nothing_and_the_second_does():
    """It is its own baseline, so its advantage is zero."""
    controller = Reinforce(shipped("nas_bench_201"), seed=3)
    start = [p.detach().clone() for p in controller.policy.parameters()]

    def moved():
        pairs = zip(start, controller.policy.parameters(), strict=True)
        return any(not torch.equal(a, b) for a, b in pairs)

    controller.tell([Told(controller.ask(1)[0], 0.5)])
    assert not moved()
    controller.tell([Told(controller.ask(1)[0], 0.8)])
    assert moved()


@pytest.mark.parametrize("as_released", [False, True])
def test_only_the_released_code_forgets_at_each_epoch(as_released):
    controller = Reinforce(
        shipped("nas_bench_201"), settings=ReinforceSettings(as_released=as_released), seed=3
    )
    for reward in (0.2, 0.8):
        controller.tell([Told(controller.ask(1)[0], reward)])
    controller.new_epoch()
    assert bool(controller.known.any()) is not as_released
    assert bool(controller.optimizer.state) is not as_released


def test_reinforce_learns_the_best_arm():
    controller = Reinforce(
        shipped("metaformer_nas"), settings=ReinforceSettings(learning_rate=3.5e-3), seed=5
    )

    def pools(texts):
        return sum(text.count("pool") for text in texts) / len(texts)

    before = pools(controller.ask(100))
    for _ in range(200):
        (text,) = controller.ask(1)
        controller.tell([Told(text, text.count("pool") / 4)])
    after = pools(controller.ask(100))
    assert before < 2.6
    assert after > 3.4


def test_every_kind_of_hole_is_decided_and_learned():
    """One of, k of, any of, nested ones and those without a choice: all strings are legal."""
    space = written(EVERY_KIND_OF_HOLE)
    controller = Reinforce(space, LEARNS, seed=5)
    texts = controller.ask(400)
    for text in texts:
        assert space.parse(text).text == text
    assert len(set(texts)) > 0.9 * min(space.size, 60)
    walk = controller.policy.retrace(space.parse(texts[0]))
    choices = space.parse(texts[0]).choices
    made = [i in space.free and choices[i] is not None for i in range(len(choices))]
    assert walk.made.tolist() == made
    assert all(e == 0 for e, m in zip(walk.entropy.tolist(), made, strict=True) if not m)
    total = sum(controller.policy.retrace(space.unrank(i)).log_probability.sum().exp().item()
                for i in range(space.size))  # fmt: skip
    assert total == pytest.approx(1, abs=1e-4)
    for text in texts[:50]:
        controller.tell([Told(text, float("relu" in text))])


def test_constraints_are_obeyed(monkeypatch):
    space = shipped("metaformer_nas")
    monkeypatch.setattr(space, "accept", lambda architecture: "pool" not in architecture.text)
    for name in CONTROLLERS:
        controller = quickly(name, space, seed=1)
        for step in range(12):
            (text,) = controller.ask(1)
            assert "pool" not in text
            controller.tell([Told(text, step % 4 / 4)])
    monkeypatch.setattr(space, "accept", lambda architecture: False)
    with pytest.raises(ArchError) as caught:
        Reinforce(space, seed=1).ask(1)
    assert caught.value.diagnostics[0].code == "E0521"


@pytest.mark.parametrize("name", CONTROLLERS)
@pytest.mark.parametrize("accepted", [1, 2, 5])
def test_narrow_constraints_end_no_search(monkeypatch, name, accepted):
    """Few architectures, of which none is next to another."""
    space = written(EVERY_KIND_OF_HOLE)
    few = {space.unrank(space.size * i // accepted) for i in range(accepted)}
    monkeypatch.setattr(space, "accept", lambda architecture: architecture in few)
    controller = quickly(name, space, seed=1)
    for step in range(12):
        (text,) = controller.ask(1)
        assert space.parse(text) in few
        controller.tell([Told(text, step % 4 / 4)])


@pytest.mark.parametrize("name", CONTROLLERS)
def test_the_empty_set_is_one_way_among_others(name):
    """`any of`: none of them is a choice like the rest, and no method is stuck in it."""
    space = written(EVERY_KIND_OF_HOLE)
    index = next(i for i, d in enumerate(space.decisions) if d.hole.quantity is Quantity.ANY)
    controller = quickly(name, space, seed=4)
    empty = 0
    for _ in range(60):
        (text,) = controller.ask(1)
        taken = space.parse(text).choices[index]
        empty += taken == ()
        controller.tell([Told(text, len(taken or ()) / 2)])
    assert empty < 40


def test_every_controller_has_quick_settings():
    assert set(QUICK) == set(CONTROLLERS)


@pytest.mark.parametrize("name", CONTROLLERS)
def test_state_is_exact(name):
    """Saved in the middle, through safetensors: another controller goes on with the same."""
    space = shipped("nas_bench_201")
    first, second = (quickly(name, space, seed=9) for _ in range(2))

    def go_on(controller, steps):
        asked = []
        for _ in range(steps):
            (text,) = controller.ask(1)
            controller.tell([Told(text, stream(1, text).random())])
            asked.append(text)
        return asked

    go_on(first, 20)
    state = first.state()
    kept = State(tensors=load(save(dict(state.tensors))), values=dict(state.values))
    expected = go_on(first, 20)
    second.restore(kept)
    assert go_on(second, 20) == expected
    again, same = first.state(), second.state()
    assert again.values == same.values
    assert all(torch.equal(again.tensors[k], same.tensors[k]) for k in again.tensors)


@pytest.mark.parametrize("name", CONTROLLERS)
def test_the_seed_decides(name):
    space = shipped("nas_bench_201")
    asked = [make_controller(name, space, seed=seed).ask(5) for seed in (1, 1, 2)]
    assert asked[0] == asked[1] != asked[2]


def test_global_generators_are_left_alone():
    torch.manual_seed(0)
    random.seed(0)
    Reinforce(shipped("nas_bench_201"), seed=9).ask(3)
    drawn = torch.rand(1), random.random()
    torch.manual_seed(0)
    random.seed(0)
    assert drawn == (torch.rand(1), random.random())


def test_seeds_are_fixed_for_ever():
    assert seed_for(42, "order", 0) == 1186917750850176449
    assert seed_for(42, "order", 0) != seed_for(42, "order", 1)
    assert 0 <= seed_for(0) < 2**63


def test_an_unknown_controller_is_named():
    with pytest.raises(ArchError, match="no controller 'evolve'") as caught:
        make_controller("evolve", shipped("nas_bench_201"), seed=1)
    assert caught.value.diagnostics[0].code == "E0801"


def test_what_learns_gates_is_suggested_too():
    with pytest.raises(ArchError) as caught:
        make_controller("dart", shipped("nas_bench_201"), seed=1)
    finding = caught.value.diagnostics[0]
    assert finding.code == "E0801" and "darts" in finding.hint and "darts" in finding.expected


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("evolution(size=30)", "E0818", "no argument size"),
        ('evolution(death="young")', "E0818", "death cannot be this value"),
        ("evolution(population=0)", "E0818", "population cannot be 0"),
        ("evolution/x[a]", "E0801", "no controller"),
        ("evolution(", "E0603", ""),
        ("local(starts=-1)", "E0818", "starts cannot be -1"),
        ("predictor(decisions=0.0, walks=0)", "E0818", "walks cannot be 0"),
        ("generations(mutation=2.0)", "E0818", "mutation cannot be 2"),
        ("ddpg(soft=-1.0)", "E0818", "soft cannot be -1"),
    ],
)
def test_settings_are_checked(text, code, said):
    with pytest.raises(ArchError) as caught:
        make_controller(text, shipped("nas_bench_201"), seed=1)
    finding = caught.value.diagnostics[0]
    assert finding.code == code and said in str(caught.value)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.keyword)
def test_the_documentation_has_every_setting(method):
    text = (Path(__file__).parents[1] / "docs/runs.md").read_text()
    row = next(line for line in text.splitlines() if line.startswith("| `") and
               f"`{method.keyword}`" in line.split("|")[1])  # fmt: skip
    written = dict(re.findall(r"`(\w+)=([^`]*)`", row))
    for parameter in signature(method):
        assert parameter.name in written
        spelled = written[parameter.name]
        if isinstance(parameter.default, float):
            assert float(spelled) == parameter.default
        else:
            assert spelled == show(parameter.default)


def test_local_search_climbs():
    """From a start to the best neighbour, until nothing around is better; then anew."""
    space = shipped("nas_bench_201")
    controller = make_controller('local(climb="best")', space, seed=3)
    told = {}
    for _ in range(6 * 24 + 1):
        (text,) = controller.ask(1)
        assert text not in told, "nothing is proposed twice"
        told[text] = text.count("3x3") / 6
        controller.tell([Told(text, told[text])])
    assert max(told.values()) == 1.0, "each step gains one of six"


def test_evolution_forgets_the_oldest():
    space = shipped("nas_bench_201")
    controller = make_controller("evolution(population=5, sample=2)", space, seed=3)
    texts = [controller.ask(1)[0] for _ in range(7)]
    controller.tell([Told(text, 0.1 * i) for i, text in enumerate(texts)])
    assert [one.text for one, _ in controller.living] == texts[2:]
    none = make_controller('evolution(population=5, death="none")', space, seed=3)
    none.tell([Told(text, 0.1) for text in texts])
    assert len(none.living) == 7


def test_a_tree_visits_what_pays():
    space = shipped("nas_bench_201")
    controller = make_controller("tree", space, seed=1)
    first = space.free[0]
    taken = Counter()
    for _ in range(200):
        (text,) = controller.ask(1)
        choice = space.parse(text).choices[first]
        taken[choice] += 1
        controller.tell([Told(text, float(choice == (3,)))])
    assert taken[(3,)] > 150 and len(taken) == 5


def test_q_values_come_from_the_reward():
    settings = "qlearning(random=0, fall=1, least=0.0, rate=1.0, replay=0)"
    controller = make_controller(settings, shipped("nas_bench_201"), seed=1)
    good, bad = controller.ask(1)[0], controller.ask(1)[0]
    controller.tell([Told(good, 0.7)])
    assert {v for row in controller.values.values() for v in row.values()} == {0.7}
    controller.tell([Told(bad, 0.1)])
    assert controller.ask(1) == [good], "greedy: the best that is known"


def test_ppo_learns_the_best_arm():
    controller = make_controller("ppo", shipped("metaformer_nas"), seed=5)
    texts = []
    for _ in range(300):
        (text,) = controller.ask(1)
        controller.tell([Told(text, text.count("pool") / 8)])
        texts.append(text.count("pool"))
    assert sum(texts[-50:]) > 1.2 * sum(texts[:50])


def test_an_autoencoder_says_what_it_was_shown():
    space = written(EVERY_KIND_OF_HOLE)
    good = [space.sample(random.Random(i)) for i in (1, 2)]
    vae = trained(VAE, space, lambda m, g: m.loss(good, 0.01, g), seed=0, steps=300)
    rng = random.Random(0)
    said = Counter(space.build(vae.propose(rng)) for _ in range(100))
    assert sum(said[one] for one in good) > 60
    assert all(said[one] for one in good)
    same = trained(VAE, space, lambda m, g: m.loss(good, 0.01, g), seed=0, steps=300)
    assert all(torch.equal(a, b) for a, b in zip(vae.parameters(), same.parameters(), strict=True))


@pytest.mark.parametrize("model", ["process", "trees", "networks"])
def test_predictors_find_what_pays(model):
    """Walks say what is worth something: two wide convolutions one behind the other."""
    space = shipped("nas_bench_201")
    settings = f'predictor(model="{model}", refit=5)'
    controller = make_controller(settings, space, seed=2)
    walks = Walks(space)

    def worth(text):
        runs = walks.of(space.parse(text).choices)
        return 0.1 * text.count("3x3") + (("infer", "nor_conv_3x3", "nor_conv_3x3") in runs)

    told = []
    for _ in range(30):
        (text,) = controller.ask(1)
        told.append(worth(text))
        controller.tell([Told(text, told[-1])])
    assert len(controller.seen) == 30, "nothing is proposed twice"
    assert sum(told[-10:]) > sum(told[:10])


def test_distances_are_those_of_all_walks():
    """What the columns do not know is as far away as if they did."""
    space = shipped("nas_bench_201")
    walks = Walks(space)
    drawn = [space.sample(random.Random(i)) for i in range(12)]
    known, every = Walked(walks, drawn[:4]), Walked(walks, drawn)
    some, all_ = known(drawn), every(drawn)
    for i in range(4):
        for j in range(12):
            far = ((some[i] - some[j]) ** 2).sum()
            assert far == pytest.approx(((all_[i] - all_[j]) ** 2).sum())


KINDS_AND_DETAILS = """
archdsl 1
space nested() {
  net network(image: 4 x 4 x 4) {
    a = image -> {c = conv(4, k={1 | 3 | 5}) | p = avg_pool(3)}
    b = a -> {c = conv(4, k={1 | 3 | 5}) | m = max_pool(3)}
    return b -> global_pool -> linear(2)
  }
}
"""


@pytest.mark.parametrize("inside", ["held", "drawn"])
def test_two_levels_are_searched_one_after_the_other(inside):
    space = written(KINDS_AND_DETAILS)
    settings = f'generations(population=4, parents=2, outer=12, inside="{inside}")'
    controller = make_controller(settings, space, seed=1)
    kinds = []
    for _ in range(32):
        (text,) = controller.ask(1)
        kinds.append(space.outer(space.parse(text), 1))
        reward = float(text.count("c(")) + 0.1 * text.count("5")
        controller.tell([Told(text, reward)])
    assert len(set(kinds[:12])) > 1 and len(set(kinds[12:])) == 1
    assert kinds[-1] == space.outer(space.parse("nested/network[c(1); c(1)]"), 1)


def test_generations_on_one_level_ignore_what_there_is_not():
    space = shipped("nas_bench_201")
    settings = "generations(population=10, parents=3, outer={})"
    a, b = (make_controller(settings.format(n), space, seed=1) for n in (0, 1000))
    for _ in range(60):
        (text,), (other,) = a.ask(1), b.ask(1)
        assert text == other
        a.tell([Told(text, text.count("3x3") / 6)])
        b.tell([Told(text, text.count("3x3") / 6)])
    last = [one.text.count("3x3") for one in list(a.objectives)[-10:]]
    first = [one.text.count("3x3") for one in list(a.objectives)[:10]]
    assert sum(last) > sum(first) + 10


def test_ddpg_learns_an_order():
    """Kernels and channels that are worth more the larger they are."""
    space = shipped("ofa_mobilenet_v3")
    controller = make_controller("ddpg(start=20, actor_rate=1e-3)", space, seed=3)
    told = []
    for _ in range(120):
        (text,) = controller.ask(1)
        choices = space.parse(text).choices
        taken = [c[0] for i, c in enumerate(choices) if i in space.free and c is not None]
        told.append(sum(taken) / len(taken) / 2)
        controller.tell([Told(text, told[-1])])
    assert sum(told[-20:]) / 20 > sum(told[:20]) / 20 + 0.2
