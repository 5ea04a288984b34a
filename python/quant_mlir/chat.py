# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Chat templates: Jinja from a model file, so run in a sandbox."""

import datetime
import json

from .errors import InputError


def render(template: str, messages: list, bos: str = "", eos: str = "") -> str:
    """The text of a conversation, up to where the model's answer begins.

    Templates come with the model: they see only what is passed here and cannot change it.
    """
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(message):
        raise TemplateError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = lambda value, indent=None: json.dumps(
        value, ensure_ascii=False, indent=indent
    )
    environment.globals["raise_exception"] = refuse
    environment.globals["strftime_now"] = lambda form: datetime.datetime.now().strftime(form)
    try:
        return environment.from_string(template).render(
            messages=messages, add_generation_prompt=True, bos_token=bos, eos_token=eos
        )
    except TemplateError as error:
        raise InputError(f"chat template: {error}") from None
