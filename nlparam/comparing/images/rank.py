"""How well predicates fit images, by an embedder of both: the ranker of VisDiff (arXiv 2312.02974, section 4.2)."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from nlparam.language.embed import SAVE_EVERY, SentenceTransformerEmbedder
from nlparam.language.ranker import AbstractRanker
from nlparam.lm.base import Image
from nlparam.lm.store import Store
from nlparam.runtime.costs import Costs
from nlparam.runtime.progress import Progress


@dataclasses.dataclass
class ImageRanker(AbstractRanker):
    """Scores predicates by the cosine of their embedding and an image's, without asking a language model.

    **Arguments:** `embedder`, of texts and images in one space (CLIP, SigLIP); `images`, the image that each text
    stands for. Embeddings of images are stored under their content, every 256 images.
    """

    embedder: SentenceTransformerEmbedder
    store: Store
    images: Mapping[str, Image]
    costs: Costs = dataclasses.field(default_factory=Costs)
    progress: Progress = dataclasses.field(default_factory=Progress)

    def __post_init__(self):
        self.identity = f"cosine of images {self.embedder.identity}"

    def score(self, items: Sequence[str], predicates: Sequence[str]) -> np.ndarray:
        """`(n_items, n_predicates)` cosines; only their order within a column counts.

        Raises `EmbedderError` if the embedder cannot be loaded or reads text only, `ValueError` for an item that stands
        for no image.
        """
        strange = next((text for text in items if text not in self.images), None)
        if strange is not None:
            raise ValueError(f"got the text {strange[:60]!r}, expected one that stands for an image of this ranker")
        return self._embedded([self.images[text] for text in items]) @ self.embedder.embed(predicates).T

    def _embedded(self, images: Sequence[Image]) -> np.ndarray:
        distinct = {image.key: image for image in images}
        identity = f"{self.embedder.identity} images"
        known = self.store.get_embeddings(identity, list(distinct))
        self.costs.embeddings_served += len(known)
        missing = [key for key in distinct if key not in known]
        if missing:
            with self.progress.task("embedding images", len(missing), unit="images") as task:
                for start in range(0, len(missing), SAVE_EVERY):
                    keys = missing[start : start + SAVE_EVERY]
                    matrix = self.embedder.embed_images([distinct[key] for key in keys])
                    self.store.put_embeddings(identity, keys, matrix)
                    known |= dict(zip(keys, matrix, strict=True))
                    self.costs.embeddings_computed += len(keys)
                    task.advance(len(keys))
        return np.stack([known[image.key] for image in images])
