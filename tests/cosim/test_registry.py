"""What a name that is looked up promises: the entry, or one line with a near miss."""

import pytest

from cosim.errors import ConfigurationError
from cosim.registry import Registry, did_you_mean, unknown_name


@pytest.fixture
def colours():
    registry = Registry("colour")
    registry.register("green")(0x00FF00)
    registry.register("blue")(0x0000FF)
    return registry


def test_a_registered_name_gives_its_entry(colours):
    assert colours["blue"] == 0x0000FF


def test_registering_returns_the_entry_so_that_it_works_as_a_decorator():
    @Registry("function").register("one")
    def one():
        return 1

    assert one() == 1


def test_an_unknown_name_is_answered_with_what_is_known_and_a_near_miss(colours):
    with pytest.raises(
        ConfigurationError, match=r"^Unknown colour 'gren'\. Known: green, blue\. .*'green'\?$"
    ):
        colours["gren"]


def test_a_name_taken_twice_is_a_mistake_of_the_program(colours):
    with pytest.raises(ValueError, match="'blue' is registered twice"):
        colours.register("blue")(0x000080)


def test_names_are_listed_in_the_order_of_registration(colours):
    assert (list(colours), len(colours)) == (["green", "blue"], 2)


def test_asking_whether_a_name_is_known_does_not_raise(colours):
    assert "red" not in colours


def test_a_far_miss_gets_no_suggestion():
    assert did_you_mean("xyz", ["green", "blue"]) == ""


def test_a_long_list_is_shortened_and_its_length_told():
    line = unknown_name("region", "r5", [f"region{n}" for n in range(66)])
    assert "region7, ... (66)" in line
    assert "region8" not in line.split("Did you")[0]


def test_nothing_known_is_said_in_words():
    assert unknown_name("circuit", "x", []) == "Unknown circuit 'x'. Known: none."


def test_a_name_with_a_line_break_still_gives_one_line():
    assert "\n" not in unknown_name("region", "a\nb", ["c"])
