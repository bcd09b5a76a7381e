"""Sets of images: read from folders, described in captions, and judged by a vision-language model."""

from nlparam.images.captions import Captioner as Captioner
from nlparam.images.captions import Captions as Captions
from nlparam.images.captions import captioned as captioned
from nlparam.images.captions import distinct_captions as distinct_captions
from nlparam.images.captions import read_captions as read_captions
from nlparam.images.files import ImageFolder as ImageFolder
from nlparam.images.files import holds_images as holds_images
from nlparam.images.files import read_images as read_images
from nlparam.images.files import thumbnail as thumbnail
from nlparam.images.rank import ImageRanker as ImageRanker
