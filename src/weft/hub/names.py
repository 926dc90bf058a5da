"""Names of runs that people can say and remember."""

from __future__ import annotations

import secrets

_COLORS = (
    "amber azure beige black blond blue brass brown coral cream crimson cyan ebony fawn gold gray green "
    "hazel indigo ivory jade khaki lemon lilac lime mauve mint navy ochre olive opal orange peach pearl "
    "pink plum purple red rose ruby rust sable sand scarlet sepia silver tan teal umber violet white"
)
_ANIMALS = (
    "ant badger bat bear beaver bee bison boar cat crane crow deer dingo dove duck eagle eel elk falcon "
    "ferret finch fox frog gecko goat goose hare hawk heron horse ibex ibis jay kite koala lark lemur lion "
    "lynx mole moose moth mouse newt otter owl panda pike puma quail raven robin salmon seal shark sloth "
    "snail stork swan swift tapir tiger toad trout turtle viper walrus whale wolf wombat wren yak zebra"
)


def make_name(number: int) -> str:
    """Make a name that ends in ``number``, which makes it unique where numbers are."""
    return f"{secrets.choice(_COLORS.split())}-{secrets.choice(_ANIMALS.split())}-{number}"
