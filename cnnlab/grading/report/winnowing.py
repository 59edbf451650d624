"""Which parts of two programs are alike, whatever their names and layout.

Schleimer, Wilkerson and Aiken, "Winnowing: local algorithms for document
fingerprinting" (2003): hashes of all runs of `RUN` tokens, of which the least in every
`WINDOW` is kept, so that a common part of RUN + WINDOW - 1 tokens is never missed.
"""

import hashlib
import io
import keyword
import tokenize

RUN, WINDOW = 12, 6  # tokens
_LAYOUT = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.ENCODING)
_LAYOUT += (tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)


def tokens(source: str) -> list[tuple[str, int]]:
    """(token, line) of a program: names that it defines itself are all the same one.

    What stands after a dot keeps its name: it is another's. Up to the first error of
    its syntax.
    """
    found, dotted = [], False
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type in _LAYOUT:
                continue
            text = token.string
            if token.type == tokenize.NAME and not dotted:
                text = text if keyword.iskeyword(text) else "name"
            elif token.type == tokenize.STRING:
                text = "text"
            found.append((text, token.start[0]))
            dotted = token.string == "."
    except (tokenize.TokenError, SyntaxError):
        pass
    return found


def fingerprints(source: str) -> dict[str, set[int]]:
    """Kept hashes, and the lines that each stands for."""
    found = tokens(source)
    runs = [found[i : i + RUN] for i in range(len(found) - RUN + 1)]
    hashes = [_hash(run) for run in runs]
    kept = {}
    for start in range(max(1, len(hashes) - WINDOW + 1)):
        window = hashes[start : start + WINDOW]
        if window:
            place = start + min(range(len(window)), key=window.__getitem__)
            lines = {line for _, line in runs[place]}
            kept.setdefault(hashes[place], set()).update(lines)
    return kept


def _hash(run: list[tuple[str, int]]) -> str:
    text = "\0".join(token for token, _ in run)
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()
