"""Pictures for a contact sheet come from all over the source, and broken ones are passed over."""

import numpy as np
import pytest

from stylegan_tf.data.contact_images import contact_images
from stylegan_tf.data.sources.base import Item
from tests.data.made_up_source import ArrayItem, BytesItem, ListSource, noise


@pytest.mark.parametrize("random_access", [True, False])
def test_contact_images_are_spaced_evenly(random_access):
    items: list[Item] = [ArrayItem(str(number), -1, np.full((8, 4), number, np.uint8)) for number in range(100)]
    items[25] = items[26] = BytesItem("broken", -1, b"")
    source = ListSource(items, random_access=random_access)
    images, names = contact_images(source, 4, 16)
    assert names == ["0", "27", "50", "75"]
    for name, image in zip(names, images, strict=True):
        assert image.shape == (16, 16, 3) and image.dtype == np.uint8
        np.testing.assert_array_equal(image[:, 4:12], int(name))
        assert (image[:, :4] > 220).all() and (image[:, 12:] > 220).all()
    assert source.given <= (6 if random_access else 100)


def test_contact_images_of_few_and_broken_pictures():
    items: list[Item] = [ArrayItem("good", -1, noise(8, 8)), BytesItem("bad", -1, b"")]
    images, names = contact_images(ListSource(items), 9, 8)
    assert names == ["good"] and len(images) == 1
