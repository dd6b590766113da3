"""What is refused is named, with its value, in one sentence; what is sound passes."""

import numpy as np
import pytest

from ch07 import checks


@pytest.mark.parametrize("value", [0, -1, True, 2.0, float("nan"), None, "3"])
def test_a_whole_number_is_one_from_the_least(value):
    checks.whole(size=1, other=np.int64(3))
    checks.whole(0, size=0)
    with pytest.raises(
        ValueError, match=rf"^size is {value!r}: a whole number from 1 is needed\.$"
    ):
        checks.whole(size=value)


def test_what_is_monitored_is_logged():
    logs = {"loss": 1, "accuracy": 2}
    assert checks.monitored(logs, "accuracy") == 2
    for monitor, ending in {"acc": "accuracy", "val_loss": "needed, and validation_freq=1"}.items():
        with pytest.raises(ValueError, match=rf"^monitor is '{monitor}', .* loss, .*{ending}\.$"):
            checks.monitored(logs, monitor)
