"""What the stand-in does with a text: count its tokens, and pick its central sentences."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter

_WORDS = re.compile(r"\w+|[^\w\s]")
_SENTENCE_END = re.compile(r"(?<=[.!?。])\s+|\n{2,}")
_CODE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_MARKUP = (
    (re.compile(r"^\s*\|.*$", re.MULTILINE), ""),  # tables
    (re.compile(r"^#{1,6}\s.*$", re.MULTILINE), "\n"),  # headings
    (re.compile(r"^\s*(?:[-*+]|\d+\.)\s+", re.MULTILINE), "\n\n"),  # items of lists
    (re.compile(r"!?\[([^\]]*)\]\([^)]*\)"), r"\1"),  # links
    (re.compile(r"[*_`]{1,3}"), ""),
)

_SENTENCES = 3
_LONGEST_SENTENCE = 400


def count_tokens(text: str) -> int:
    """A number of tokens like a real tokenizer's: about four letters each, one each for a
    sign and for a letter of scripts without an alphabet."""
    return sum(_tokens_of(word) for word in _WORDS.findall(text))


def pieces(text: str) -> list[str]:
    """The text in the pieces in which a model would stream it: word by word."""
    return re.findall(r"\S+\s*|\s+", text)


def cut(text: str, tokens: int) -> str:
    """As much of the beginning as fits into so many tokens."""
    kept = []
    for piece in pieces(text):
        tokens -= count_tokens(piece)
        if tokens < 0:
            break
        kept.append(piece)
    return "".join(kept).rstrip()


def summarise(text: str) -> str:
    """The three most central sentences of a text, in their order.

    Central is a sentence that shares many words with all the others.
    """
    sentences = _sentences(text)
    if len(sentences) <= _SENTENCES:
        return " ".join(sentences) or "There is nothing to summarise."
    bags = [Counter(_terms(sentence)) for sentence in sentences]
    rarity = _rarity(bags)
    whole = Counter[str]()
    for bag in bags:
        whole.update(bag)
    scores = [_closeness(bag, whole, rarity) for bag in bags]
    best = sorted(range(len(sentences)), key=lambda i: (-scores[i], i))[:_SENTENCES]
    return " ".join(sentences[i] for i in sorted(best))


def embed(text: str, dimensions: int) -> list[float]:
    """A unit vector of the words of a text; texts with the same words are close."""
    vector = [0.0] * dimensions
    for term, count in Counter(_terms(text)).items():
        digest = int.from_bytes(hashlib.sha256(term.encode()).digest()[:8], "big")
        vector[digest % dimensions] += count if digest >> 63 else -count
    length = math.hypot(*vector) or 1.0
    return [value / length for value in vector]


def _tokens_of(word: str) -> int:
    return (len(word) + 3) // 4 if word.isascii() else len(word)


def _sentences(text: str) -> list[str]:
    text = _CODE.sub("\n\n", text)
    for pattern, plain in _MARKUP:
        text = pattern.sub(plain, text)
    found = (" ".join(part.split()) for part in _SENTENCE_END.split(text))
    return [s for s in dict.fromkeys(found) if len(_terms(s)) > 3 and len(s) <= _LONGEST_SENTENCE]


def _terms(text: str) -> list[str]:
    return [word.lower() for word in re.findall(r"\w+", text) if len(word) > 1]


def _rarity(bags: list[Counter[str]]) -> dict[str, float]:
    """Words that stand in every sentence say little about any."""
    found = Counter(term for bag in bags for term in bag)
    return {term: math.log(1 + len(bags) / count) for term, count in found.items()}


def _closeness(bag: Counter[str], whole: Counter[str], rarity: dict[str, float]) -> float:
    shared = sum(count * whole[term] * rarity[term] ** 2 for term, count in bag.items())
    length = math.sqrt(sum((count * rarity[term]) ** 2 for term, count in bag.items()))
    return shared / length if length else 0.0
