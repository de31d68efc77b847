"""What TFMA does not document is used in the adapter alone: nothing else imports TFMA, but for its protos."""

from .test_dependencies import imports_of, modules

TFMA, ADAPTER = "tensorflow_model_analysis.", "penstock.components.evidence.tfma"


def test_only_the_adapter_imports_tfma():
    code = {module: file.read_text(encoding="utf-8") for module, file in modules().items() if module != ADAPTER}
    used = {(module, name) for module, text in code.items() for name in imports_of(text) if f"{name}.".startswith(TFMA)}
    assert {(module, name) for module, name in used if not name.startswith(f"{TFMA}proto.")} == set()


def test_the_adapter_imports_it():
    assert any(name.startswith(TFMA) for name in imports_of(modules()[ADAPTER].read_text(encoding="utf-8")))
