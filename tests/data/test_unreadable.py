"""The error that names pictures which could not be read."""

from stylegan_tf.data.unreadable import unreadable_error


def test_names_a_few_and_says_what_to_do():
    pictures = [(f"{number}.png", "the file is empty") for number in range(1000, 3500)]
    assert str(unreadable_error(pictures, 12340, "All are listed in left_out.csv")) == (
        "2,500 of 12,340 pictures could not be read; repair or remove them and run the same command again, or leave "
        "them out with --on_error=skip. All are listed in left_out.csv. Received: 1000.png: the file is empty; "
        "1001.png: the file is empty; 1002.png: the file is empty; and 2,497 more."
    )


def test_where_none_is_left_skipping_is_no_advice():
    assert str(unreadable_error([("a.png", "why")], 1, "See there")) == (
        "1 of 1 picture could not be read; none is left. See there. Received: a.png: why."
    )


def test_other_advice():
    assert "could not be read; pray. See" in str(unreadable_error([("a.png", "why")], 1, "See there", "pray"))
