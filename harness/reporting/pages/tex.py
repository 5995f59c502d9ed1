"""Text -> escaped LaTeX in plain ASCII, for any engine and font encoding."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

SPECIAL: Mapping[str, str] = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "`": r"\textasciigrave{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedblright{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "−": "$-$",
    "–": r"\textendash{}",
    "—": r"\textemdash{}",
    "…": r"\ldots{}",
    "“": r"\textquotedblleft{}",
    "”": r"\textquotedblright{}",
    "‘": r"\textquoteleft{}",
    "’": r"\textquoteright{}",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "°": r"$^\circ$",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "α": r"$\alpha$",
    "β": r"$\beta$",
    "γ": r"$\gamma$",
    "δ": r"$\delta$",
    "ε": r"$\epsilon$",
    "η": r"$\eta$",
    "λ": r"$\lambda$",
    "μ": r"$\mu$",
    "µ": r"$\mu$",
    "σ": r"$\sigma$",
    "τ": r"$\tau$",
}
# Two of these would become a ligature.
LIGATURE = re.compile(r"([-',])(?=\1)")
# Combining accent -> the command that sets it on a letter.
ACCENTS: Mapping[str, str] = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u ",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r ",
    "\u030b": "H ",
    "\u030c": "v ",
    "\u0327": "c ",
}
DOTLESS: Mapping[str, str] = {"i": r"\i", "j": r"\j"}


def escape(text: object) -> str:
    """Escaped `text` on one line; a character that not every engine can set becomes its code point, U+4E2D."""
    line = " ".join("".join(character if character.isprintable() else " " for character in str(text)).split())
    return LIGATURE.sub(r"\1{}", "".join(map(_character, unicodedata.normalize("NFC", line))))


def number(text: str) -> str:
    """A formatted number or interval with a minus sign."""
    return escape(text.replace("-", "−"))


def _character(character: str) -> str:
    if character in SPECIAL:
        return SPECIAL[character]
    if character.isascii():
        return character
    parts = unicodedata.normalize("NFD", character)
    letter, accent = parts[0], parts[1:]
    if letter.isascii() and letter.isalpha() and accent in ACCENTS:
        return rf"\{ACCENTS[accent]}{{{DOTLESS.get(letter, letter)}}}"
    return rf"\texttt{{U+{ord(character):04X}}}"
