"""A language model behind servers that speak the OpenAI chat API: vLLM, llama-server, a hosted one."""

from nlparam.language.lm.server.limit import AdaptiveLimit as AdaptiveLimit
from nlparam.language.lm.server.model import ServerModel as ServerModel
from nlparam.language.lm.server.pool import ServerPool as ServerPool
from nlparam.language.lm.server.probe import Capabilities as Capabilities
