"""Text and user modules that travel in parameters."""

import base64
import bz2
import random
import tracemalloc

import fsspec
import pytest

from penstock.components.data import pack, read_text
from penstock.components.data.source import MAX_PACKED_BYTES, PREFIX
from penstock.components.protocol import TaskError

MODULE = 'def run_fn(args):\n    """{{ö}}"""\n    return args + 1\n'


def test_packed_plain_path_and_uri_say_the_same(tmp_path):
    (tmp_path / "module.py").write_text(MODULE, encoding="utf-8")
    with fsspec.open("memory://code/module.py", "w", encoding="utf-8") as stream:
        stream.write(MODULE)
    for value in (pack(MODULE), MODULE, str(tmp_path / "module.py"), f"file://{tmp_path}/module.py", "memory://code/module.py"):
        assert read_text(value, "module_file") == MODULE
    assert "{{" not in pack(MODULE)


def test_text_on_one_line_is_text_and_a_file_with_braces_a_file(tmp_path):
    for text in ('model_specs { label_key: "y" }', '{"modelSpecs": []}', "model_specs {" + " " * 5000 + "}"):
        assert read_text(text, "eval_config") == text
    (tmp_path / "{a}.pbtxt").write_text("there", encoding="utf-8")
    assert read_text(f"{tmp_path}/{{a}}.pbtxt", "eval_config") == "there"


def test_a_module_too_large_for_a_parameter():
    noise = "".join(chr(random.Random(0).randrange(32, 127)) + chr(random.Random(i).randrange(32, 127)) for i in range(70_000))
    with pytest.raises(TaskError, match=r"module_file is \d+ KiB packed, more than the 64 KiB"):
        pack(noise, "module_file")


def test_latin1_text_is_refused(tmp_path):
    (tmp_path / "module.py").write_bytes("# Zürich".encode("latin-1"))
    with pytest.raises(TaskError, match="cannot read"):
        read_text(str(tmp_path / "module.py"), "module_file")


def test_packed_text_that_unpacks_to_too_much_is_refused():
    bomb = PREFIX + base64.b64encode(bz2.compress(b"#" * (500 << 20), 9)).decode()
    assert len(bomb) < MAX_PACKED_BYTES
    tracemalloc.start()
    with pytest.raises(TaskError, match="cannot be unpacked"):
        read_text(bomb, "module_file")
    assert tracemalloc.get_traced_memory()[1] < 100 << 20
    tracemalloc.stop()
    with pytest.raises(TaskError, match="cannot be unpacked"):
        read_text(pack("x = 1\n")[:-8], "module_file")


def test_what_is_no_file_or_too_large_is_refused(tmp_path):
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1 << 33)
    for path in (tmp_path / "large", "/dev/zero", tmp_path):
        with pytest.raises(TaskError, match="cannot read"):
            read_text(str(path), "module_file")
