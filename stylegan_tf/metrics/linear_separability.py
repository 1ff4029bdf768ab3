"""Linear separability: whether a plane in the space of latents tells apart what a classifier tells apart in images.

Reference: Karras et al., "A Style-Based Generator Architecture for Generative Adversarial Networks",
https://arxiv.org/abs/1812.04948, Section 4.2. There 40 classifiers of one attribute each label the images; here one
classifier does, and each of its classes is an attribute that an image has or lacks.
"""

from typing import Any

import numpy as np

from stylegan_tf.invocation import install


def linear_separability(latents: np.ndarray, logits: np.ndarray, keep: float = 0.5, seed: int = 0) -> float:
    """Fits a plane for each class and measures what its side leaves unknown about having the class.

    Args:
        latents: z or w of the images, `[N, size]`.
        logits: What the classifier says of the images, `[N, classes]`, before the softmax.
        keep: Share of the images that take part: those whose most probable class is the most probable, above 0 to 1.
        seed: Of the fit, which is a function of it.

    Returns:
        `exp(sum of the conditional entropies)`: 1 where the planes say all, larger where they say less. A class that
        no image has, or all have, adds nothing.

    Raises:
        ValueError: The arrays do not fit, or `keep` is out of range.
        ImportError: Scikit-learn is not installed.

    Reference: "A Style-Based Generator Architecture", Section 4.2, which keeps half of 200,000 images.
    """
    if latents.ndim != 2 or logits.ndim != 2 or len(latents) != len(logits) or not len(latents):
        raise ValueError(
            "latents must be [N, size] and logits [N, classes], for the same images. "
            f"Received: latents.shape={latents.shape}, logits.shape={logits.shape}."
        )
    if not 0.0 < keep <= 1.0:
        raise ValueError(f"keep must be above 0 and not above 1. Received: keep={keep}.")
    shifted = np.asarray(logits, np.float64) - np.max(logits, axis=1, keepdims=True)
    surest_first = np.argsort(np.sum(np.exp(shifted), axis=1), kind="stable")  # 1 / probability of the best class
    kept = surest_first[: max(round(keep * len(logits)), 1)]
    points, classes = np.asarray(latents, np.float64)[kept], np.argmax(logits, axis=1)[kept]
    entropies = []
    for number in range(logits.shape[1]):
        labels = classes == number
        if labels.any() and not labels.all():
            entropies.append(conditional_entropy(labels, _sides_of_plane(points, labels, seed)))
    return separability(np.array(entropies))


def conditional_entropy(labels: np.ndarray, predictions: np.ndarray) -> float:
    """H(labels | predictions) in nats: what is left to learn about a label where the prediction is known.

    Args:
        labels: bool `[N]`.
        predictions: bool `[N]`.

    Returns:
        From 0, where labels are a function of predictions, to ln 2.
    """
    entropy = 0.0
    for prediction in (False, True):
        chosen = labels[predictions == prediction]
        for label in (False, True):
            count = np.count_nonzero(chosen == label)
            if count:
                entropy += count / len(labels) * np.log(len(chosen) / count)
    return float(entropy)


def separability(conditional_entropies: np.ndarray) -> float:
    """`exp(sum(H))` over attributes, from 1 up; entropies in nats, `[attributes]`."""
    return float(np.exp(np.sum(conditional_entropies)))


def _sides_of_plane(points: np.ndarray, labels: np.ndarray, seed: int) -> np.ndarray:
    """Side of each point, bool `[N]`, of the plane of a linear support vector machine that is fitted to all."""
    machine = _linear_svc()(random_state=seed)
    return machine.fit(points, labels).predict(points)


def _linear_svc() -> Any:
    try:
        from sklearn.svm import LinearSVC
    except ImportError as error:
        raise ImportError(f"Linear separability needs scikit-learn. Install it with: {install('metrics')}") from error
    return LinearSVC
