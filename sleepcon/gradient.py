"""The gradient of one step of a night, batch by batch, and how much of it each row brings."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

import torch

from sleepcon.adapter import NIGHT, lora_layers
from sleepcon.batch import Row, batches, cross_entropy, drift, mean_by_row, parts, place_states
from sleepcon.model import Base


def add_gradient(
    base: Base, rows: Sequence[Row], scales: Sequence[float], before: Sequence[torch.Tensor], measured: bool = False
) -> tuple[list[float], list[float]]:
    """Add the gradient of sum(scale x loss) over the places of all rows to that of the night's adapter.

    The loss of a place is its cross-entropy, or in the last ``len(before)`` rows its drift from those states; a row's places
    share its scale. Returns the mean loss of each row's places (nats for cross-entropy) and, if ``measured``, the norm of each
    row's own gradient, else zeros.
    """
    taught = len(rows) - len(before)
    losses, norms = [0.0] * len(rows), [0.0] * len(rows)
    for indices, batch in batches(base, rows):
        with squares_by_row(base, len(indices)) if measured else nullcontext(torch.zeros(len(indices))) as squares:
            states, owners = place_states(base, batch)
            scale = torch.tensor([scales[index] for index in indices], device=states.device)[owners]
            old = torch.cat([before[index - taught] for index in indices if index >= taught] or [states[:0]])
            found: list[torch.Tensor] = []
            slopes: list[torch.Tensor] = []
            first = len(states) - len(old)  # the places of rehearsed rows come last
            for part in [*parts(base, 0, first), *parts(base, first, len(states))]:
                leaf = states[part].detach().requires_grad_()  # its logits are forgotten before the next part's are made
                if part.start < first:
                    loss = cross_entropy(base, leaf, batch.wanted[part])
                else:
                    loss = drift(old[part.start - first : part.stop - first], leaf)
                found.append(loss.detach())
                slopes += torch.autograd.grad((loss * scale[part]).sum(), leaf)
            states.backward(torch.cat(slopes))
        means = mean_by_row(torch.cat(found), owners, len(indices)).tolist()
        for index, mean, square in zip(indices, means, squares.tolist(), strict=True):
            losses[index], norms[index] = mean, square**0.5
    return losses, norms


@contextmanager
def squares_by_row(base: Base, rows: int) -> Iterator[torch.Tensor]:
    """Squared norm of each row's own gradient, shape (rows,): filled in by the backward pass.

    The gradient of a matrix is the sum over tokens of (slope of its output) x (its input); summed over a row's tokens alone it
    is that row's.
    """
    squares = torch.zeros(rows, device=base.model.device)

    def watch(_: torch.nn.Module, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        def add(slope: torch.Tensor) -> None:
            squares.add_(torch.einsum("rto,rti->roi", slope, inputs[0].detach()).float().square().sum((1, 2)))

        output.register_hook(add)

    matrices = [half[NIGHT] for _, layer in lora_layers(base) for half in (layer.lora_A, layer.lora_B)]
    handles = [matrix.register_forward_hook(watch) for matrix in matrices]
    try:
        yield squares
    finally:
        for handle in handles:
            handle.remove()
