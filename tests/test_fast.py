"""Fast must stay right: a night's adapter beside that of a reference in plain PyTorch, and each thing that makes it fast."""

import itertools
import math
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import torch
from conftest import BIX, DULL, ORLO
from transformers import AutoModelForCausalLM

from sleepcon import arithmetic, batch, gradient
from sleepcon.adapter import LoraSettings, lora_layers, save, worn_for_training
from sleepcon.arithmetic import SharedDropout
from sleepcon.dream import Lesson
from sleepcon.model import chat, load_base, prompt_ids, reply_ids
from sleepcon.sleep import Training, order_of_steps, rate_at, train

TAUGHT = [Lesson(one.prompt, one.response, one.salience, n) for n, one in enumerate((ORLO, BIX, DULL))]
TAUGHT += [Lesson("And your name?", "I am Orlo, the owl.", 0.9)]
REHEARSED = [Lesson("Hello!", "Hi.", 1.0), Lesson("Good night to all of you.", "Sleep well!", 1.0), Lesson("2+2?", "4", 1.0)]
NO_DROPOUT = LoraSettings(dropout=0.0)
SCALE = 8 / 4


# The reference: one row at a time, whole logits, float32; its own LoRA, its own AdamW, no PEFT


@dataclass
class Pair:
    """A and B of one module."""

    down: torch.Tensor
    up: torch.Tensor


@contextmanager
def changed(model, pairs: dict[str, Pair]):
    """The model with (alpha / rank) B A x added to what each named module makes of x."""

    def adding(pair):
        return lambda _, inputs, output: output + SCALE * inputs[0] @ pair.down.T @ pair.up.T

    handles = [model.get_submodule(name).register_forward_hook(adding(pair)) for name, pair in pairs.items()]
    yield
    for handle in handles:
        handle.remove()


class Adam:
    """AdamW as Loshchilov and Hutter 2019 write it, algorithm 2."""

    def __init__(self, weights, decay):
        self.weights, self.decay, self.steps = weights, decay, 0
        self.first, self.second = ([torch.zeros_like(one) for one in weights] for _ in range(2))

    @torch.no_grad()
    def step(self, slopes, rates):
        self.steps += 1
        for n, (weight, slope, rate) in enumerate(zip(self.weights, slopes, rates, strict=True)):
            self.first[n] = 0.9 * self.first[n] + 0.1 * slope
            self.second[n] = 0.999 * self.second[n] + 0.001 * slope**2
            mean, square = self.first[n] / (1 - 0.9**self.steps), self.second[n] / (1 - 0.999**self.steps)
            weight -= rate * self.decay * weight + rate * mean / (square.sqrt() + 1e-8)


def reference(base, model, taught, rehearsed, training, seed, downs):
    """Losses of the steps and the pairs after them. ``base``: for its tokenizer; ``downs``: A of each module at the start."""
    whole = training.recipe == "document"
    pairs = {
        name: Pair(down.clone().requires_grad_(), torch.zeros(model.get_submodule(name).out_features, 4, requires_grad=True))
        for name, down in downs.items()
    }
    weights = [weight for pair in pairs.values() for weight in (pair.down, pair.up)]
    adam = Adam(weights, 0.01 if whole else 0.0)

    def logprobs(lesson):
        """At each place that is labelled, and the tokens that are to be said there."""
        prompt, reply = prompt_ids(base, chat(lesson.prompt, lesson.context)), reply_ids(base, lesson.reply)
        ids = torch.tensor([prompt + reply])
        start = 0 if whole else len(prompt) - 1
        return model(ids).logits[0, start:-1].log_softmax(-1), ids[0, start + 1 :]

    def loss_of(lesson):
        found, wanted = logprobs(lesson)
        return -found[range(len(wanted)), wanted].mean()

    def states(lesson):
        """What the decoder says last, at all tokens but the last one."""
        prompt, reply = prompt_ids(base, chat(lesson.prompt, lesson.context)), reply_ids(base, lesson.reply)
        return model.model(torch.tensor([prompt + reply])).last_hidden_state[0, :-1]

    before = [states(lesson) for lesson in rehearsed]
    own = sum(lesson.of is not None for lesson in taught)
    steps = order_of_steps(own, len(taught) - own, len(rehearsed), training, seed)
    curve = []
    with changed(model, pairs):
        for number, (mine, others) in enumerate(steps):
            losses = torch.stack([loss_of(taught[row]) for row in mine])
            parts = torch.tensor([taught[row].weight for row in mine])
            mean = (losses * parts).sum() / parts.sum()
            loss = losses[0] * parts[0] if whole else mean
            if others:
                pairs_of_states = [(before[row], states(rehearsed[row])) for row in others]
                apart = [((new - old) ** 2).sum(-1) / (old**2).sum(-1) for old, new in pairs_of_states]
                loss = loss + training.rehearsal_weight * torch.cat(apart).mean()
            rate = rate_at(number, len(steps), training)
            rates = [rate * (1.0 if whole or n % 2 == 0 else 4.0) for n in range(len(weights))]
            adam.step(torch.autograd.grad(loss, weights), rates)
            curve.append(float(mean.detach()))
    return curve, pairs


def plain(folder):
    """The base as transformers loads it."""
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).requires_grad_(False)


def ours(base, taught, rehearsed, training, seed, past=None, folder=None):
    """Losses of the steps, A of each module at the start, and the pairs after them, which are saved in ``folder``."""
    torch.manual_seed(3)
    with worn_for_training(base, past, NO_DROPOUT) as peft:
        layers = {name.removeprefix("base_model.model."): layer for name, layer in lora_layers(base)}
        downs = {name: layer.lora_A["night"].weight.detach().clone() for name, layer in layers.items()}
        curve = train(base, taught, rehearsed, training, seed, lambda _: None, lambda: False).curve
        assert {p.dtype for p in base.model.parameters() if p.requires_grad} == {torch.float32}
        if folder:
            save(peft, "night", folder)
        pairs = {name: Pair(x.lora_A["night"].weight.detach(), x.lora_B["night"].weight.detach()) for name, x in layers.items()}
    return curve, downs, pairs


def cosine(left, right) -> float:
    """Of two lists of tensors, each taken as one vector."""
    a, b = (torch.cat([one.detach().flatten().double() for one in side]) for side in (left, right))
    return float(a @ b / a.norm() / b.norm())


NIGHTS = [Training("document", 1e-2, 20), Training("default", 1e-2, 40, 2.0)]


def check_agreement(mine, wanted, downs, least):
    """The change of every module as one vector, and how far A went, each at a cosine of ``least`` or more."""
    assert mine.keys() == wanted.keys() == downs.keys()
    assert len(mine) == 4
    assert cosine(*([side[name].up @ side[name].down for name in downs] for side in (mine, wanted))) >= least
    assert cosine(*([side[name].down - downs[name] for name in downs] for side in (mine, wanted))) >= least


@pytest.mark.parametrize(("dtype", "least"), [("float32", 0.999), ("bfloat16", 0.98)])
@pytest.mark.parametrize("training", NIGHTS, ids=["document", "default"])
def test_a_night_agrees_with_the_reference(tiny_folder, training, dtype, least):
    base = load_base(str(tiny_folder), dtype)
    taught, rehearsed = (TAUGHT[:3], []) if training.recipe == "document" else (TAUGHT, REHEARSED)
    curve, downs, mine = ours(base, taught, rehearsed, training, 4)
    expected, wanted = reference(base, plain(tiny_folder), taught, rehearsed, training, 4, downs)
    check_agreement(mine, wanted, downs, least)
    assert curve == pytest.approx(expected, rel=0.005)
    assert expected[-1] < expected[0] * 0.99, "something was learned, so there is something to compare"


@pytest.mark.parametrize(("dtype", "least"), [("float32", 0.999), ("bfloat16", 0.98)])
def test_a_second_night_agrees_too(tiny_folder, tmp_path, dtype, least):
    base, training = load_base(str(tiny_folder), dtype), Training("default", 1e-2, 10, 2.0)
    _, _, first = ours(base, TAUGHT[:1], REHEARSED, training, 4, folder=tmp_path / "first")
    curve, downs, mine = ours(base, TAUGHT[1:3], REHEARSED, training, 5, past=tmp_path / "first")
    model = plain(tiny_folder)
    with changed(model, first):
        expected, wanted = reference(base, model, TAUGHT[1:3], REHEARSED, training, 5, downs)
    check_agreement(mine, wanted, downs, least)
    assert curve == pytest.approx(expected, rel=0.005)
    alone, _ = reference(base, plain(tiny_folder), TAUGHT[1:3], REHEARSED, training, 5, downs)
    assert abs(curve[0] - expected[0]) < abs(curve[0] - alone[0]) / 4, "the first night is worn in the second"


# The steps on the way there


def worn_with_something_learned(base):
    """The night's adapter worn, with a B that is not zero; what may learn."""
    torch.manual_seed(0)
    for _, layer in lora_layers(base):
        torch.nn.init.normal_(layer.lora_B["night"].weight, std=0.1)
    return [one for one in base.model.parameters() if one.requires_grad]


@pytest.mark.parametrize(("budget", "logits"), [(10**9, 2**24), (8000, 2**24), (10**9, 600), (8000, 600)])
def test_batches_and_parts_of_any_size_give_the_same_gradient(tiny_base, monkeypatch, budget, logits):
    rows = batch.rows_of(tiny_base, TAUGHT + REHEARSED, False)
    scales = [0.5, 0.1, 0.3, 0.7, 0.2, 0.2, 0.2]
    with worn_for_training(tiny_base, None, NO_DROPOUT):
        before = batch.states_before(tiny_base, rows[4:])
        learning = worn_with_something_learned(tiny_base)
        wanted, squares, means = [torch.zeros_like(one) for one in learning], [], []
        for n, row in enumerate(rows):
            ids = torch.tensor([row[0]])
            start = len(row[0]) - batch.places(row) - 1
            now = tiny_base.model(ids).logits[0, start:-1].log_softmax(-1)
            states, old = tiny_base.model.get_decoder()(ids).last_hidden_state[0, start:-1], before[n - 4] if n >= 4 else None
            losses = (
                -now[range(len(now)), ids[0, start + 1 :]] if old is None else ((states - old) ** 2).sum(-1) / (old**2).sum(-1)
            )
            own = torch.autograd.grad(scales[n] * losses.sum(), learning)
            wanted = [total + one for total, one in zip(wanted, own, strict=True)]
            squares.append(sum(float(one.square().sum()) for one in own))
            means.append(float(losses.detach().mean()))
        monkeypatch.setattr(batch, "STATES", budget)
        monkeypatch.setattr(batch, "LOGITS", logits)
        sizes = [len(indices) for indices, _ in batch.batches(tiny_base, rows)]
        losses, norms = gradient.add_gradient(tiny_base, rows, scales, before, measured=True)
        assert (len(sizes) > 1) == (budget == 8000)
        assert (len(list(batch.parts(tiny_base, 0, 50))) > 1) == (logits == 600)
        assert losses == pytest.approx(means, rel=1e-4, abs=1e-6)
        assert norms == pytest.approx([math.sqrt(one) for one in squares], rel=1e-3)
        for one, total in zip(learning, wanted, strict=True):
            assert torch.allclose(one.grad, total, rtol=1e-3, atol=1e-6)
        assert gradient.add_gradient(tiny_base, rows, scales, before)[1] == [0.0] * 7, "not asked for, not measured"


def test_rows_of_like_length_go_together(tiny_base, monkeypatch):
    rows = [([1] * n, [1] * n) for n in (50, 10, 49, 11, 200, 12)]
    monkeypatch.setattr(batch, "STATES", 128 * 100)  # a hundred tokens of a hidden size of 32 in float32
    found = list(batch.batches(tiny_base, rows))
    assert [indices for indices, _ in found] == [[1, 3, 5], [0, 2], [4]]
    assert [tuple(one.ids.shape) for _, one in found] == [(3, 12), (2, 50), (1, 200)]


def test_padding_needs_no_mask(tiny_base):
    rows = batch.rows_of(tiny_base, TAUGHT, True)
    together, _ = batch.place_states(tiny_base, batch.padded(rows, 7, torch.device("cpu")))
    alone = [batch.place_states(tiny_base, batch.padded([row], 7, torch.device("cpu")))[0] for row in rows]
    assert len({len(ids) for ids, _ in rows}) > 1
    assert torch.allclose(together, torch.cat(alone), atol=1e-6)


def test_one_mask_for_each_tensor():
    dropout = SharedDropout(0.25)
    one, other = torch.ones(200, 200), torch.ones(200, 200)
    first = dropout(one)
    assert dropout(one) is first
    assert not torch.equal(dropout(other), first)
    assert float((first == 0).float().mean()) == pytest.approx(0.25, abs=0.01)
    assert float(first.mean()) == pytest.approx(1.0, abs=0.02)
    assert torch.equal(dropout.eval()(torch.full((3,), 2.0)), torch.full((3,), 2.0))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_q_and_v_of_a_layer_share_their_mask_and_layers_do_not(tiny_folder, dtype):
    base = load_base(str(tiny_folder), dtype)
    with worn_for_training(base, None, LoraSettings()), arithmetic.quick(base, 100):
        base.model.train()
        read = []
        for _, layer in lora_layers(base):
            layer.lora_A["night"].register_forward_hook(lambda _, inputs, output: read.append(inputs[0]))
        base.model(torch.arange(3, 60)[None])
    assert len(read) == 4
    assert read[0] is read[1]
    assert read[2] is read[3]
    assert not torch.equal(read[0] == 0, read[2] == 0)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_quick_arithmetic_is_put_away_again(tiny_folder, dtype):
    base = load_base(str(tiny_folder), dtype)
    with worn_for_training(base, None, LoraSettings()):
        before = [type(one) for one in base.model.modules()]
        attention, precision = base.model.config._attn_implementation, torch.get_float32_matmul_precision()
        with arithmetic.quick(base, 100):
            assert base.model.config._attn_implementation == "eager"
            assert torch.is_autocast_enabled("cpu") == (dtype == "bfloat16")
        assert [type(one) for one in base.model.modules()] == before
        assert (base.model.config._attn_implementation, torch.get_float32_matmul_precision()) == (attention, precision)
        assert not torch.is_autocast_enabled("cpu")
        assert all(layer.cast_input_dtype_enabled for _, layer in lora_layers(base))
        with arithmetic.quick(base, arithmetic.LONG + 1):
            assert base.model.config._attn_implementation == attention, "long rows would take too much memory"


def test_a_card_may_let_products_be_rounded_where_the_processor_has_them(tiny_folder, monkeypatch):
    base = load_base(str(tiny_folder), "float32")
    for allowed, able, exact in itertools.product((True, False), repeat=3):
        base.card["products"] = "bfloat16" if allowed else "float32"
        monkeypatch.setattr(arithmetic, "processor_has_bfloat16", lambda able=able: able)
        with worn_for_training(base, None, LoraSettings()), arithmetic.quick(base, 100, exact):
            made = []
            layer = next(layer for _, layer in lora_layers(base))
            layer.lora_B["night"].register_forward_hook(lambda _, inputs, output, made=made: made.append(output.dtype))
            states = base.model.get_decoder()(torch.arange(3, 60)[None]).last_hidden_state
        assert made == [torch.bfloat16 if allowed and able and not exact else torch.float32]
        assert states.dtype == torch.float32, "what rehearsal compares is not rounded"


def test_no_card_makes_another_type_of_number_round(tiny_folder, monkeypatch):
    monkeypatch.setattr(arithmetic, "processor_has_bfloat16", lambda: True)
    for dtype, rounded in (("float16", False), ("bfloat16", True)):
        base = load_base(str(tiny_folder), dtype)
        for base.card["products"] in ("bfloat16", "float32"):
            assert arithmetic.rounds(base) == rounded


@pytest.mark.parametrize(("recipe", "exact"), [("document", True), ("default", False)])
def test_the_documents_recipe_is_not_rounded(tiny_folder, tmp_path, monkeypatch, recipe, exact):
    base, seen, quick = load_base(str(tiny_folder), "float32"), [], arithmetic.quick
    base.card["products"] = "bfloat16"
    monkeypatch.setattr(arithmetic, "processor_has_bfloat16", lambda: True)

    @contextmanager
    def watched(*arguments, **options):
        with quick(*arguments, **options):
            seen.append(torch.is_autocast_enabled("cpu"))
            yield

    monkeypatch.setattr(arithmetic, "quick", watched)
    rehearsed = [] if exact else REHEARSED
    ours(base, TAUGHT[:2], rehearsed, Training(recipe, 1e-3, 1), 4, folder=tmp_path / "night")
    assert seen == [not exact]


def test_products_are_only_quick_where_they_are_exact(monkeypatch):
    device = torch.device("cpu")
    with arithmetic.quick_products(device):
        left, right = torch.randn(200, 300), torch.randn(300, 100)
        exact = (left.double() @ right.double()).float()
        assert float((left @ right - exact).norm() / exact.norm()) < 1e-6, "bfloat16 would be off by 3e-3"
    monkeypatch.setattr(arithmetic, "medium_is_exact", lambda _: False)
    with arithmetic.quick_products(device):
        assert torch.get_float32_matmul_precision() == "highest"
