"""Sets of images: read from folders, described in captions, and judged by a vision-language model."""

from nlparam.comparing.images.captions import Captioner as Captioner
from nlparam.comparing.images.captions import Captions as Captions
from nlparam.comparing.images.captions import captioned as captioned
from nlparam.comparing.images.captions import distinct_captions as distinct_captions
from nlparam.comparing.images.captions import read_captions as read_captions
from nlparam.comparing.images.files import ImageFolder as ImageFolder
from nlparam.comparing.images.files import holds_images as holds_images
from nlparam.comparing.images.files import read_images as read_images
from nlparam.comparing.images.files import thumbnail as thumbnail
from nlparam.comparing.images.rank import ImageRanker as ImageRanker
