"""What the syntax tree of a module says of its strategy."""

from pathlib import Path

import pytest

from penstock.components.training.strategy import own_strategy

MIRRORED = "tensorflow.distribute.MirroredStrategy"


@pytest.mark.parametrize(
    ("source", "strategy"),
    [
        ("import tensorflow as tf\ns = tf.distribute.MirroredStrategy()", MIRRORED),
        ("import tensorflow\ns = tensorflow.distribute.MirroredStrategy()", MIRRORED),
        ("import tensorflow.distribute\ns = tensorflow.distribute.MirroredStrategy()", MIRRORED),
        ("import tensorflow.distribute as td\ns = td.MirroredStrategy()", MIRRORED),
        ("from tensorflow import distribute as d\ns = d.MirroredStrategy()", MIRRORED),
        ("from tensorflow.distribute import MirroredStrategy\ns = MirroredStrategy()", MIRRORED),
        ("from tensorflow.distribute import MirroredStrategy as M\nwith M().scope(): pass", f"{MIRRORED}"),
        ("import tensorflow as tf\nwith tf.distribute.MirroredStrategy().scope(): pass", MIRRORED),
        ("import tensorflow as tf\ndef f():\n  with tf.distribute.experimental.TPUStrategy(x).scope(): pass", "TPUStrategy"),
        ("def f():\n  import tensorflow.compat.v2 as tf\n  tf.distribute.OneDeviceStrategy('x')", "OneDeviceStrategy"),
        ("import tensorflow as tf\ntf.compat.v1.distribute.MirroredStrategy()", "MirroredStrategy"),
        ("from tensorflow.python.distribute import mirrored_strategy as m\nm.MirroredStrategyV1()", "MirroredStrategyV1"),
        ("from tensorflow.python.distribute.mirrored_strategy import MirroredStrategy as M\nM()", "MirroredStrategy"),
        ("import tensorflow as tf\nd = tf.distribute\ns = d.MirroredStrategy()", MIRRORED),
        ("import tensorflow as tf\nt = tf\nd = t.distribute\nKIND = d.MirroredStrategy\nKIND()", MIRRORED),
        ("import tensorflow as tf\nhelper(tf.distribute)", "tensorflow.distribute"),
        ("from tensorflow import *\ndistribute.MirroredStrategy()", MIRRORED),
        ("from tensorflow.distribute import *\nMirroredStrategy()", "tensorflow.distribute"),
        ("import tensorflow as tf\ntf.distribute.experimental_set_strategy(s)", "experimental_set_strategy"),
        ("import tensorflow as tf\ns: tf.distribute.Strategy = tf.distribute.MirroredStrategy()", MIRRORED),
        ("import tensorflow as tf\nmake = lambda: [tf.distribute.MirroredStrategy()]", MIRRORED),
    ],
)
def test_a_module_with_a_strategy(source: str, strategy: str) -> None:
    assert own_strategy(source).endswith(strategy)


@pytest.mark.parametrize(
    "source",
    [
        "",
        "import tensorflow as tf  # trained distributed: tf.distribute.MirroredStrategy()",
        '"""Uses tf.distribute.MirroredStrategy."""\nimport tensorflow as tf',
        "import tensorflow as tf\nlog('tf.distribute.MirroredStrategy')",
        "import tensorflow as tf\nredistribute = tf.distributed = 1",
        "import tensorflow as tf\ntf.redistribute.MirroredStrategy()",
        "import tensorflow as tf\nself.distribute.MirroredStrategy()",
        "import cake\ncake.distribute.MirroredStrategy()",
        "from .tensorflow import distribute\ndistribute.MirroredStrategy()",
        "from cake import distribute\ndistribute.MirroredStrategy()",
        "from os import *\ndistribute.MirroredStrategy()",
        "import tensorflow.distribute",
        "import tensorflow as tf\nbatch = 32 * tf.distribute.get_strategy().num_replicas_in_sync",
        "import tensorflow as tf\nd = tf.distribute\nbatch = 32 * d.get_strategy().num_replicas_in_sync",
        "import tensorflow as tf\ndef f(s: tf.distribute.Strategy): return tf.distribute.has_strategy()",
        "import tensorflow as tf\ntf = tf.compat",
    ],
)
def test_a_module_without_one(source: str) -> None:
    assert own_strategy(source) == ""


def test_tfx_s_own_example() -> None:
    assert own_strategy((Path(__file__).parents[1] / "train_model" / "tfx_module.py").read_text()) == MIRRORED
