r"""A formula of physics in LaTeX, read into sympy: every letter a quantity, side by side is times, all quantities positive.

`e` is Euler's number and `\pi` is pi; `E`, `I`, `i` and `\gamma` are quantities like all others, and so are `v_0` and `t'`.
"""

from collections.abc import Callable

import sympy  # type: ignore[import-untyped]

from mot_plugin.evals.phybench.latex import Unreadable, tokens

_DEEPEST = 60  # brackets in brackets
_BRACKETS = {"{": "}", "(": ")", "[": "]", r"\lvert": r"\rvert", "|": "|"}
_ACCENTS = {r"\bar", r"\tilde", r"\dot", r"\ddot", r"\mathcal", r"\mathbb", r"\mathfrak"}
_LETTERS = {
    rf"\{name}"
    for name in "alpha beta gamma delta varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi omicron pi varpi rho "
    "varrho sigma varsigma tau upsilon phi varphi chi psi omega Alpha Beta Gamma Delta Epsilon Zeta Eta Theta Iota Kappa "
    "Lambda Mu Nu Xi Omicron Pi Rho Sigma Tau Upsilon Phi Chi Psi Omega hbar ell degree".split()
}
_CONSTANTS = {"e": sympy.E, "pi": sympy.pi, "degree": sympy.pi / 180}


def _functions() -> dict[str, Callable[..., sympy.Expr]]:
    """By each of their names: `arcsin` and `asin`, `arcosh`, `arccosh` and `acosh`."""
    found = {"ln": sympy.log, "log": sympy.log, "exp": sympy.exp}
    for name in "sin cos tan cot sec csc sinh cosh tanh coth sech csch".split():
        found[name] = getattr(sympy, name)
        found |= {prefix + name: getattr(sympy, f"a{name}") for prefix in ("arc", "ar", "a")}
    return found


_FUNCTIONS = _functions()


def read(text: str) -> sympy.Expr:
    """The formula in `text`. Raises Unreadable; a power of big numbers is worked out and may take for ever."""
    reader = _Reader(tokens(text))
    value = reader.sum()
    if reader.next:
        raise Unreadable(f"`{reader.next}` where the formula should end")
    if value.has(sympy.nan, sympy.zoo):
        raise Unreadable("a division by zero")
    return value


class _Reader:
    """Reads from left to right, a method for each kind of part; `next` is the token in front of it, "" at the end."""

    def __init__(self, found: list[str]) -> None:
        self._rest = found[::-1]
        self._open: list[str] = []

    @property
    def next(self) -> str:
        return self._rest[-1] if self._rest else ""

    def _take(self) -> str:
        if not self._rest:
            raise Unreadable("the formula is cut off")
        return self._rest.pop()

    def _taken(self, wanted: str) -> bool:
        """Whether this is next; if so it is taken."""
        return self.next == wanted and bool(self._take())

    def _at_number(self) -> bool:
        return self.next[-1:].isdecimal() and not self.next.startswith(":")

    def _at_function(self) -> bool:
        return self.next[:1] in ("\\", ":") and self.next[1:] in _FUNCTIONS

    def _at_quantity(self) -> bool:
        letter = self.next.isascii() and self.next.isalpha()
        word = self.next[:1] == ":" != self.next and not self._at_function()
        return letter or word or self.next in _LETTERS or self.next in _ACCENTS

    def _at_bracket(self) -> bool:
        """An opening one: a bar closes where one is open."""
        return self.next in _BRACKETS and not (self.next == "|" and self._open[-1:] == ["|"])

    def sum(self) -> sympy.Expr:
        terms = [self._signed(self._product)]
        while self.next in ("+", "-"):
            terms.append(self._signed(self._product))
        return sympy.Add(*terms)

    def _signed(self, part: Callable[[], sympy.Expr]) -> sympy.Expr:
        sign = 1
        while self.next in ("+", "-"):
            sign *= -1 if self._take() == "-" else 1
        return sign * part()

    def _product(self) -> sympy.Expr:
        """Parts that stand side by side belong closer together than those around a sign: `a/bc` is a/(bc)."""
        value = self._side_by_side()
        while self.next in (r"\cdot", "/"):
            divides = self._take() == "/"
            other = self._signed(self._side_by_side)
            value = value / other if divides else value * other
        return value

    def _side_by_side(self) -> sympy.Expr:
        factors = [self._factor()]
        while self._at_quantity() or self._at_function() or self._at_bracket() or self.next in (r"\frac", r"\sqrt"):
            factors.append(self._factor())
        if self._at_number():
            raise Unreadable("a number behind another part")  # a sign was lost, or it is `10 000`
        return sympy.Mul(*factors)

    def _factor(self) -> sympy.Expr:
        value = self._base()
        while self._taken("^"):
            value = value ** self._exponent()
        return value

    def _base(self) -> sympy.Expr:
        if self._at_number():
            return sympy.Rational(self._take())
        if self._at_function():
            return self._function(self._take()[1:])
        if self._at_quantity():
            return self._quantity(self._name())
        if self._at_bracket():
            value = self._bracket()
            indexed = isinstance(value, sympy.Symbol) and self.next in ("_", "'")  # {v}_0
            return self._quantity(value.name) if indexed else value
        if self._taken(r"\frac"):
            return self._argument() / self._argument()
        if self._taken(r"\sqrt"):
            root = self._bracket() if self.next == "[" else sympy.Integer(2)
            return self._argument() ** (1 / root)
        if self._taken(r"\infty"):
            return sympy.oo
        raise Unreadable(f"`{self.next}` where a part of the formula should be")

    def _bracket(self) -> sympy.Expr:
        opening = self._take()
        self._open.append(opening)
        if len(self._open) > _DEEPEST:
            raise Unreadable("too many brackets in brackets")
        value = self.sum()
        if self._take() != _BRACKETS[self._open.pop()]:
            raise Unreadable("brackets that do not match")
        return sympy.Abs(value) if opening in ("|", r"\lvert") else value

    def _argument(self) -> sympy.Expr:
        r"""A group, or the one sign that LaTeX takes without braces: `\frac12`, `\sqrt x`, `x^\alpha`."""
        if self.next in ("{", "("):
            return self._bracket()
        if self._at_number():
            number = self._take()
            if number.isdecimal():
                self._rest += [number[1:]] if number[1:] else []
                number = number[0]
            return sympy.Rational(number)
        return _value(self._name()) if self._at_quantity() else self._base()

    def _exponent(self) -> sympy.Expr:
        if self._at_number():
            return sympy.Rational(self._take())  # all of it: who writes 10^12 means it
        return self._signed(self._argument)

    def _quantity(self, name: str) -> sympy.Expr:
        """What has this name, with the indices and primes that may stand on either side of its power."""
        name += self._suffix()
        if not self._taken("^"):
            return _value(name)
        power = self._exponent()
        return _value(name + self._suffix()) ** power

    def _name(self) -> str:
        token = self._take()
        if token not in _ACCENTS:
            return token.lstrip("\\:")
        braces = self._taken("{")
        if not self._at_quantity():
            raise Unreadable(f"`{token}` over something else than a letter")
        name = f"{token[1:]}{{{self._name()}}}{self._suffix() if braces else ''}"
        if braces and self._take() != "}":
            raise Unreadable(f"`{token}` over more than a letter")
        return name

    def _suffix(self) -> str:
        index = primes = ""
        while self.next in ("_", "'"):
            if self._take() == "'":
                primes += "'"
            else:
                index += self._index()
        return (f"_{{{index}}}" if len(index) > 1 else f"_{index}" if index else "") + primes

    def _index(self) -> str:
        """The letters and signs of an index, whatever they mean."""
        text, depth = "", 0
        while True:
            part = self._take()
            depth += {"{": 1, "}": -1}.get(part, 0)
            text += "" if part in ("{", "}") else part.lstrip("\\:")
            if depth <= 0:
                return text

    def _function(self, name: str) -> sympy.Expr:
        base = [self._argument()] if name == "log" and self._taken("_") else []
        power = self._exponent() if self._taken("^") else sympy.Integer(1)
        if power == -1 and f"a{name}" in _FUNCTIONS:  # \sin^{-1}
            name, power = f"a{name}", sympy.Integer(1)
        return _FUNCTIONS[name](self._function_of(), *base) ** power

    def _function_of(self) -> sympy.Expr:
        r"""One bracket, or one part and the quantities behind it: `\cos\frac{2\pi}{T}t`, `\sin 2\theta`."""
        if self._at_bracket():
            return self._bracket()
        number = self._at_number()
        factors = [self._factor()]
        while self._at_quantity() or (number and self.next in (r"\frac", r"\sqrt")):
            number = False
            factors.append(self._factor())
        return sympy.Mul(*factors)


def _value(name: str) -> sympy.Expr:
    return _CONSTANTS.get(name) or sympy.Symbol(name, positive=True)
