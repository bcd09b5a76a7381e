"""Corpora that do not fit one machine: embedding, judging and denoting on Ray, from and to Parquet.

The same call runs on a laptop and on a cluster, and goes on where it was killed.

```python
from nlparam import scale

result = scale.judge("logs/", ["asks for a refund"], "judged/", lm="http://gpu1:8000/v1")
table = result.dataset().to_table()
```
"""

from nlparam.errors import JobError as JobError
from nlparam.scale.embedding import denote as denote
from nlparam.scale.embedding import embed as embed
from nlparam.scale.job import JobResult as JobResult
from nlparam.scale.job import Options as Options
from nlparam.scale.judging import judge as judge
from nlparam.scale.parts import read as read
