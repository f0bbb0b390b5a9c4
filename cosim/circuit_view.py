"""The command ``cosim circuits``: a reference in, text and a picture out."""

from collections.abc import Iterable
from pathlib import Path

from cosim.circuit_card import card_of
from cosim.circuit_text import card_text, one_line
from cosim.errors import CosimError
from cosim.experiment_file import assignments
from cosim.spiking.circuit import circuits, load_circuit


def list_lines() -> list[str]:
    """A line for each registered circuit; one that cannot be built here says why."""
    lines = []
    for name in circuits:
        try:
            lines.append(one_line(name, card_of(load_circuit(name, {}, Path()))))
        except CosimError as error:
            lines.append(f"{name}: {circuits[name].paper} (cannot be built here: {error})")
    return lines


def view(
    reference: str,
    parameters: Iterable[str],
    regions: Iterable[str],
    mechanisms: str | None,
    picture: Path | None,
) -> str:
    """A circuit's card, also as a picture if asked for.

    Args:
        reference: What an experiment file says under ``circuit``; paths start here.
        parameters: ``key=value`` each.
        regions: ``POPULATION=REGION`` each.
        mechanisms: Folder of .mod files that it needs.
        picture: File for the picture.

    Raises:
        ConfigurationError: If it cannot be found, built or drawn.
    """
    circuit = load_circuit(reference, assignments(parameters), Path(), mechanisms)
    card = card_of(
        circuit,
        {key: str(value) for key, value in assignments(regions).items()},
        None if mechanisms is None else Path(mechanisms),
    )
    text = card_text(card)
    if picture is None:
        return text
    from cosim.circuit_drawing import draw

    draw(card, picture)
    return f"{text}\n\nPicture: {picture}"
