"""Users' modules with what lies beside them: files, folders, wheels, packed text; what they import, their arguments and flags."""

import random
import sys
import zipfile
from types import ModuleType

import fsspec
import pytest

from penstock.components.data import load_function, load_module, pack, pack_module, read_module
from penstock.components.data.user_code import own_modules
from penstock.components.protocol import TaskError

SOURCE = 'def run_fn(args):\n    """{{ö}}"""\n    return args + 1\n'
FILES = {
    "trainer.py": "import my_constants\nfrom .layers import twice\n\ndef run_fn(args):\n    return twice(args) + my_constants.ONE\n",
    "my_constants.py": "from layers.more import ONE\nfrom . import layers\nimport layers as same\nassert layers is same\n",
    "layers/__init__.py": "from .more import twice\n",
    "layers/more.py": "ONE = 1\n\ndef twice(x):\n    import trainer\n    assert trainer.run_fn\n    return 2 * x\n",
    "unrelated.py": "raise ValueError('not asked for')\n",
}


def write(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def wheel(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in (files | {"mine-1.dist-info/METADATA": "Name: mine"}).items():
            archive.writestr(name, text)
    return path


def far(name, files):
    for file, text in files.items():
        with fsspec.open(f"memory://{name}/{file}", "w", encoding="utf-8") as stream:
            stream.write(text)
    return f"memory://{name}"


def test_source_in_every_form_is_the_same_module(tmp_path):
    for name in ("module.py", "my.mod-ule.py", "mod-ule.py", "json.py", "module.txt"):
        (tmp_path / name).write_text(SOURCE, encoding="utf-8")
        assert load_function(str(tmp_path / name), "run_fn")(1) == 2
    far("code", {"module.py": SOURCE})
    values = [pack(SOURCE), SOURCE, str(tmp_path / "module.py"), f"file://{tmp_path}/module.py", "memory://code/module.py"]
    assert [load_function(value, "run_fn")(1) for value in values] == [2] * 5
    assert len({read_module(value).sha256 for value in values}) == 1
    assert pack_module(values[2]) == pack(SOURCE)


def test_what_a_file_imports_of_its_folder_comes_along(tmp_path):
    folder = write(tmp_path / "code", FILES)
    packed = pack_module(str(folder / "trainer.py"))
    for value in (str(folder / "trainer.py"), packed, f"{far('beside', FILES)}/trainer.py"):
        module = read_module(value)
        assert set(module.files) == set(FILES) - {"unrelated.py"}
        assert load_function(module, "run_fn")(3) == 7
        assert module.sha256 == read_module(packed).sha256
    assert len(own_modules()) >= 4
    (folder / "unrelated.py").write_text("")
    assert pack_module(str(folder / "trainer.py")) == packed
    (folder / "layers/more.py").write_text(FILES["layers/more.py"].replace("2 *", "3 *"))
    assert read_module(str(folder / "trainer.py")).sha256 != read_module(packed).sha256
    assert load_function(str(folder / "trainer.py"), "run_fn")(3) == 10  # nothing of the earlier module is left
    assert load_function(packed, "run_fn")(3) == 7


def test_folders_and_wheels_come_whole(tmp_path):
    files = FILES | {
        "words.txt": "a b",
        ".git/config": "",
        "trainer.py": FILES["trainer.py"] + "\nWORDS = open(__file__[:-10] + 'words.txt').read()\n",
    }
    folder = write(tmp_path / "code", files)
    nested = {
        f"mine/{name}": text.replace("from layers", "from mine.layers").replace("import my_", "from mine import my_")
        for name, text in files.items()
    }
    nested["mine/my_constants.py"] = "ONE = 1\n"
    nested["mine/layers/more.py"] = "ONE = 1\n\ndef twice(x):\n    return 2 * x\n"
    for value in (str(folder), pack_module(str(folder)), far("whole", files), str(wheel(tmp_path / "mine-1-py3-none-any.whl", nested))):
        assert load_function(value, "run_fn")(3) == 7
    assert load_function(f"mine.trainer@{tmp_path}/mine-1-py3-none-any.whl", "run_fn")(3) == 7
    assert load_function(pack_module(f"trainer@{folder}"), "run_fn")(3) == 7
    assert read_module(str(folder)).sha256 == read_module(pack_module(str(folder))).sha256
    (folder / "words.txt").write_text("b")
    assert read_module(str(folder)).sha256 != read_module(pack_module(far("whole", files))).sha256


@pytest.mark.parametrize(
    ("files", "value", "message"),
    [
        ({"a.py": "def run_fn(x): pass", "b.py": "run_fn = print"}, "", "a.py, b.py do; name one, as in a@PATH"),
        ({"a.py": "def other(x): pass"}, "", "none does; define it"),
        ({"a.py": "def run_fn(x): pass"}, "b@", "it has no module b"),
        ({"a.py": "import nowhere\ndef run_fn(x): pass"}, "", r"'nowhere' \(line 1\); a file brings along"),
        ({"a.py": "import b\ndef run_fn(x): pass", "b.py": "\n1 / 0"}, "", r"ZeroDivisionError: division by zero \(b.py, line 2\)"),
        (
            {"a.py": "import numpy\ndef run_fn(x): pass", "numpy.py": "x = 1"},
            "",
            "numpy beside the module has the name of an installed package",
        ),
        ({"a.py": "def run_fn(x): pass\nimport sys\nsys.exit(0)"}, "", r"SystemExit\(0\): a module must neither end the process"),
        ({"a.py": "def run_fn(x): pass", "b.bin": "x" * (17 << 20)}, "", "larger than 16 MiB; give a folder"),
    ],
)
def test_folders_that_cannot_be_used(tmp_path, files, value, message):
    with pytest.raises(TaskError, match=message) as error:
        load_function(f"{value}{write(tmp_path / 'code', files)}", "run_fn")
    assert str(error.value).startswith("module_file")


def test_a_folder_too_large_for_a_parameter(tmp_path):
    (tmp_path / "a.py").write_text("def run_fn(x): pass")
    (tmp_path / "b.bin").write_bytes(random.Random(0).randbytes(70_000))
    with pytest.raises(TaskError, match=r"module_file is \d+ KiB packed, more than the 64 KiB"):
        pack_module(str(tmp_path))


def test_modules_that_load_themselves_on_their_first_use_stay_unloaded(monkeypatch):
    asked = []

    class Deferred(ModuleType):
        def __getattr__(self, name):
            asked.append(name)
            raise AttributeError(name)

    monkeypatch.setitem(sys.modules, "plots", Deferred("plots"))
    load_function(SOURCE, "run_fn")
    assert not asked


def test_arguments_and_flags_of_a_module_have_their_defaults(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["prog"])
    module = load_module(
        read_module(
            """
import argparse, sys
from absl import flags
flags.DEFINE_integer("penstock_test_bins", 4, "")
parser = argparse.ArgumentParser()
parser.add_argument("--bins", type=int, default=3)
A = parser.parse_args().bins
B = flags.FLAGS.penstock_test_bins
def run_fn(x):
    flags.FLAGS(sys.argv)
    return flags.FLAGS.penstock_test_bins
if __name__ == "__main__":
    raise ValueError
"""
        )
    )
    assert (module.A, module.B, module.run_fn(0)) == (3, 4, 4)


def test_tfx_may_be_named_wherever_it_is_not_used():
    function = load_function(
        """
from typing import Optional
from tfx import v1 as tfx
from tfx.components.trainer.executor import TrainerFnArgs
from tfx.components.tuner.component import TunerFnResult
from tfx.dsl.io import fileio
import tfx.types.channel as channel

def tuner_fn(fn_args: tfx.components.FnArgs) -> tfx.components.TunerFnResult:
    return TunerFnResult(tuner=1, fit_kwargs={})

def make(a: Optional[tfx.types.Channel], b: tfx.dsl.Channel[tfx.types.Artifact], c: None | fileio.File) -> "tfx.dsl.Pipeline":
    return tfx.dsl.Pipeline(a)

def run_fn(fn_args: TrainerFnArgs):
    return tuner_fn(None).tuner if fn_args else make(1, 2, 3)
""",
        "run_fn",
    )
    assert function(True) == 1
    with pytest.raises(TaskError, match=r"the module uses tfx.v1.dsl.Pipeline, but TFX is not installed"):
        function(False)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", r"cannot read '' \(ValueError: it does not name a file"),
        ("bz2+base64:???", "cannot be unpacked"),
        ("bz2+base64:aGVsbG8=", "cannot be unpacked"),
        ("/none/module.py", "cannot read '/none/module.py'"),
        ("nothing://bucket/module.py", "cannot read 'nothing://bucket/module.py'"),
        ("x" * 5000, "cannot read"),
        ("def run_fn(args:\n    pass\n", "SyntaxError"),
        ("import json\n\njson.loads('{')\n", r"JSONDecodeError: .* \(line 3\)"),
        ("import nothing_of_the_kind\n", "ModuleNotFoundError"),
        ("def other():\n    pass\n", "has no function run_fn"),
        ("run_fn = 3\n", "has no function run_fn"),
    ],
)
def test_modules_that_cannot_be_used(value, message):
    with pytest.raises(TaskError, match=message) as error:
        load_function(value, "run_fn")
    assert str(error.value).startswith("module_file")
