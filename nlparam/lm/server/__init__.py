"""A language model behind servers that speak the OpenAI chat API: vLLM, llama-server, a hosted one."""

from nlparam.lm.server.limit import AdaptiveLimit as AdaptiveLimit
from nlparam.lm.server.model import ServerModel as ServerModel
from nlparam.lm.server.pool import ServerPool as ServerPool
from nlparam.lm.server.survey import Capabilities as Capabilities
