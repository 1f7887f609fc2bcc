"""Invented names: the open class that the base must copy from its context, letter by letter."""

import random

ONSETS = (
    "b bl br c ch cl cr d dr f fl fr g gl gr h j k kl kr l m n p pl pr qu r s sh sk sl sm sn sp st str t th tr v "
    "vl w wh y z zh zl x ts kv ph rh"
).split()
VOWELS = "a e i o u a e i o a e ai au ea ee ei ia ie io oa oe oo ou ua y ae ui".split()
CODAS = "n r l s m t d k th sh nd rn st ll ck x z rk lm v p b g ng sk ft mp".split() + [""] * 22
PLACE_ENDINGS = (
    "ia land ar or burg ton mere wick ford holm os una esh ovar anda ista heim dale mouth by um ath ora enia aria"
).split()
TITLES = "Old New Upper Lower North South East West Great Little Port Mount Lake Saint".split()
UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def syllables(rng: random.Random, count: int) -> str:
    """``count`` invented syllables, capitalised."""
    parts = [
        rng.choice(ONSETS if i or rng.random() < 0.8 else [""]) + rng.choice(VOWELS) + rng.choice(CODAS) for i in range(count)
    ]
    return "".join(parts).capitalize()


def odd(rng: random.Random) -> str:
    """A string of letters that follows no rule of spelling ("Qyrzzt"): names that people invent do not either."""
    return "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(3, 8))).capitalize()


def acronym(rng: random.Random) -> str:
    """A name in capitals, sometimes with a number."""
    length = rng.randint(2, 6)
    text = "".join(rng.choice("AEIOU" if i % 2 else UPPER) if rng.random() < 0.6 else rng.choice(UPPER) for i in range(length))
    return f"{text}-{rng.randint(1, 99)}" if rng.random() < 0.15 else text


def invented_name(rng: random.Random, first_names: list[str], nouns: list[str]) -> str:
    """A name for a person, a pet or an assistant; about a quarter are ordinary first names or nouns."""
    kind = rng.random()
    if kind < 0.50:
        return syllables(rng, rng.choice((1, 2, 2, 2, 3)))
    if kind < 0.66:
        return rng.choice(first_names)
    if kind < 0.76:
        return acronym(rng)
    if kind < 0.83:
        return odd(rng)
    if kind < 0.90:
        return rng.choice(nouns).capitalize()
    if kind < 0.95:
        return f"{syllables(rng, 2)} {syllables(rng, rng.choice((1, 2)))}"
    return rng.choice(nouns).capitalize() + rng.choice(nouns)


def invented_place(rng: random.Random, nouns: list[str]) -> str:
    """A name for a place or a people that exists nowhere."""
    kind = rng.random()
    if kind < 0.62:
        return syllables(rng, rng.choice((1, 1, 2))) + rng.choice(PLACE_ENDINGS)
    if kind < 0.76:
        return syllables(rng, rng.choice((2, 2, 3)))
    if kind < 0.86:
        return odd(rng)
    if kind < 0.93:
        return f"{rng.choice(TITLES)} {syllables(rng, 2)}"
    return rng.choice(nouns).capitalize() + rng.choice(("ton", "ford", "wick", "mere", " Bay", " Hill", "dale"))
