"""Bodies of requests and answers as models: the OpenAPI document is made from them, and request bodies are read by them.

Imported only when one of these is needed: building the models takes longer than the rest of the interface.
Answers are not built through them; a test holds every answer against its schema instead.
"""

from __future__ import annotations

from collections.abc import Iterator

from sbc_sim.http import models_calls, models_flow, models_service, models_traces
from sbc_sim.http.models_base import In, Out

_MODULES = (models_calls, models_traces, models_flow, models_service)


def every_model() -> Iterator[type[In] | type[Out]]:
    """Give each model once."""
    for module in _MODULES:
        for name, value in vars(module).items():
            if isinstance(value, type) and issubclass(value, In | Out) and value.__module__ == module.__name__:
                assert value.__name__ == name
                yield value


_BY_NAME = {model.__name__: model for model in every_model()}


def has_model(name: str) -> bool:
    """Whether there is a model of this name."""
    return name in _BY_NAME


def model(name: str) -> type[In] | type[Out]:
    """Return the model of this name. Raises KeyError."""
    return _BY_NAME[name]
