# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Text to token ids and back, for the models that quantc compiled."""

import json
import pathlib
from typing import Iterable, Iterator, Optional, Union

from tokenizers import Tokenizer as HFTokenizer

from . import gguf_tokenizer
from .chat import render
from .errors import InputError

GGUF_FILE = "tokenizer.gguf.json"
HF_FILE = "tokenizer.json"


class Tokenizer:
    """One tokenizer, whether the model came as GGUF or as a HF folder.

    `stop_ids` are the tokens that end an answer; `chat_template` is None if there is none.
    """

    def __init__(
        self,
        backend: HFTokenizer,
        bos: Optional[int] = None,
        eos: Optional[int] = None,
        stop_ids: Iterable[int] = (),
        add_bos: bool = False,
        chat_template: Optional[str] = None,
    ):
        self.backend = backend
        # The package never wants padded or cut sequences; some tokenizer.json files ask for both.
        backend.no_padding()
        backend.no_truncation()
        self.bos, self.eos, self.add_bos = bos, eos, add_bos
        self.stop_ids = frozenset(i for i in (eos, *stop_ids) if i is not None)
        self.chat_template = chat_template

    @classmethod
    def load(cls, folder: Union[str, pathlib.Path]) -> "Tokenizer":
        """From a folder that has tokenizer.gguf.json or tokenizer.json; InputError if none."""
        folder = pathlib.Path(folder)
        if (folder / GGUF_FILE).is_file():
            return cls.from_gguf(_read_json(folder / GGUF_FILE), str(folder / GGUF_FILE))
        if (folder / HF_FILE).is_file():
            return cls.from_hf(folder)
        raise InputError(f"{folder}: neither {GGUF_FILE} nor {HF_FILE} in it")

    @classmethod
    def from_gguf(cls, metadata: dict, where: str = GGUF_FILE) -> "Tokenizer":
        """From all metadata keys of a GGUF file. `where` names the file in errors."""
        backend = gguf_tokenizer.build(metadata, where)

        def number(key):
            return metadata.get(f"tokenizer.ggml.{key}_token_id")

        return cls(
            backend,
            bos=number("bos"),
            eos=number("eos"),
            stop_ids=[i for i in (number("eot"), number("eom")) if i is not None],
            add_bos=gguf_tokenizer.adds_bos(metadata) and number("bos") is not None,
            chat_template=metadata.get("tokenizer.chat_template"),
        )

    @classmethod
    def from_hf(cls, folder: Union[str, pathlib.Path]) -> "Tokenizer":
        """From tokenizer.json and, where present, the files beside it."""
        folder = pathlib.Path(folder)
        try:
            backend = HFTokenizer.from_file(str(folder / HF_FILE))
        except Exception as error:  # tokenizers raises bare Exception for a file it cannot read
            raise InputError(f"{folder / HF_FILE}: {error}") from None
        config = _read_json(folder / "tokenizer_config.json", default={})
        template = config.get("chat_template")
        if isinstance(template, list):  # several templates by name
            template = {t.get("name"): t.get("template") for t in template}.get("default")
        separate = folder / "chat_template.jinja"
        if separate.is_file():
            template = separate.read_text(encoding="utf-8")

        def number(key):
            token = config.get(key)
            token = token.get("content") if isinstance(token, dict) else token
            return None if token is None else backend.token_to_id(token)

        # BOS is added by the post-processor of tokenizer.json, so not by us.
        return cls(backend, number("bos_token"), number("eos_token"), chat_template=template)

    def encode(self, text: str, special: bool = True, parse_special: bool = False) -> list:
        """The ids of `text`.

        special: add what the model expects around a text (BOS, [CLS] … [SEP]).
        parse_special: read "<|im_start|>" in the text as that token. Off for text from outside.
        """
        self.backend.encode_special_tokens = not parse_special
        ids = list(self.backend.encode(text, add_special_tokens=special).ids)
        if special and self.add_bos:
            ids.insert(0, self.bos)
        return ids

    def decode(self, ids: Iterable[int], skip_special: bool = True) -> str:
        return self.backend.decode(list(ids), skip_special_tokens=skip_special)

    def stream(self, ids: Iterable[int]) -> Iterator[str]:
        """The text of `ids`, piece by piece. Joined, the pieces are decode(ids).

        A character may be made of several tokens: a piece is held back until it is whole.
        """
        seen: list = []
        shown = 0  # tokens whose text is out
        context = 0  # where decoding starts again, so that a piece knows its left neighbour
        for token in ids:
            seen.append(token)
            before = self.decode(seen[context:shown])
            text = self.decode(seen[context:])
            if len(text) > len(before) and not text.endswith("\ufffd"):
                yield text[len(before) :]
                context, shown = shown, len(seen)
        rest = self.decode(seen[context:])[len(self.decode(seen[context:shown])) :]
        if rest:
            yield rest

    def encode_chat(self, messages: list) -> list:
        """The ids of a conversation ([{"role": …, "content": …}]), up to the answer to come."""
        if self.chat_template is None:
            raise InputError("this model has no chat template; pass the text as it is (--raw)")

        def token(number):
            return "" if number is None else self.backend.id_to_token(number)

        text = render(self.chat_template, messages, token(self.bos), token(self.eos))
        return self.encode(text, special=False, parse_special=True)


def _read_json(path: pathlib.Path, default=None) -> dict:
    if default is not None and not path.is_file():
        return default
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {error}") from None
    if not isinstance(value, dict):
        raise InputError(f"{path}: not a JSON object")
    return value
