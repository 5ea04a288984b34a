# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
import pytest
from quant_mlir import InputError
from quant_mlir.chat import render

HI = [{"role": "user", "content": "hi"}]


def test_a_template_sees_messages_and_special_tokens():
    template = (
        "{{ bos_token }}{% for m in messages %}\n{{ m.role }}: {{ m.content }}{% endfor %}"
        "{% if add_generation_prompt %} >{% endif %}"
    )
    assert render(template, HI, bos="<s>") == "<s>user: hi >"


def test_a_template_may_refuse():
    with pytest.raises(InputError, match="only one message"):
        render("{{ raise_exception('only one message') }}", HI)


@pytest.mark.parametrize(
    "template",
    [
        "{{ messages.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.append(1) }}",
        "{% if %}",
    ],
)
def test_a_template_cannot_leave_the_sandbox(template):
    with pytest.raises(InputError, match="chat template: "):
        render(template, HI)
