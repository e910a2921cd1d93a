"""Formulas as models and authors write them in LaTeX. All of them invented."""

import re

import pytest
import sympy
from hypothesis import assume, given
from hypothesis import strategies as st

from mot_plugin.evals.phybench.formula import read
from mot_plugin.evals.phybench.latex import Unreadable, tokens

# How it is written, and what it means: in sympy's words, where letters are quantities.
READ = [
    ("2mg + 4m \\frac{v_0^2}{l}", "2*m*g + 4*m*v_0**2/l"),
    ("$$T_2 = 2mg$$", "2*m*g"),
    ("\\[\nF = 5m\\omega^2 R\n\\]", "5*m*omega**2*R"),
    ("\\( x \\)", "x"),
    ("$ \\boxed{ x = 3a } $", "3*a"),
    ("a = b = \\frac{c}{2}", "c/2"),
    ("v \\approx 3 u", "3*u"),
    ("x \\le y", "y"),
    ("\\left(a+b\\right)\\left[c\\right]", "(a+b)*c"),
    ("\\left(1 - \\left(\\frac{v}{c}\\right)^2\\right)^{-1/2}", "(1-v**2/c**2)**(-1/2)"),  # \left is not \le
    ("\\bigl( a \\bigr) \\cdot b", "a*b"),
    ("\\{a + b\\} c", "(a+b)*c"),
    ("2(3)", "6"),
    ("3\\frac{1}{2}", "3/2"),
    ("\\frac12 m v^2", "m*v**2/2"),
    ("\\frac\\pi2", "pi/2"),
    ("\\frac ab", "a/b"),
    ("\\dfrac{1}{\\sqrt2}", "1/sqrt(2)"),
    ("\\sqrt[3]{x}", "x**(1/3)"),
    ("\\sqrt x y", "sqrt(x)*y"),
    ("a/bc", "a/(b*c)"),
    ("a/b\\cdot c", "a*c/b"),
    ("a\\cdot-b", "-a*b"),
    ("-\\frac{a}{b}", "-a/b"),
    ("--a", "a"),
    ("+a", "a"),
    ("0.20\\frac{V_0}{S}", "V_0/(5*S)"),
    ("1{,}000 k", "1000*k"),
    ("1,000,000", "1000000"),
    ("6.02\\times 10^{23}", "602*10**21"),
    ("10^12", "10**12"),
    ("x^{10}", "x**10"),
    ("x^\\alpha y", "x**alpha*y"),
    ("x^-1", "1/x"),
    ("e^{-at}", "exp(-a*t)"),
    ("\\mathrm{e}^{2}", "exp(2)"),
    ("\\exp\\left[-\\frac{t}{\\tau}\\right]", "exp(-t/tau)"),
    ("\\exp\\{-x\\} y", "exp(-x)*y"),
    ("\\sin\\theta\\cos\\phi", "sin(theta)*cos(phi)"),
    ("\\sin^2\\theta", "sin(theta)**2"),
    ("\\sin(\\theta)^2", "sin(theta)**2"),
    ("\\sin\\theta^2", "sin(theta**2)"),
    ("\\sin^{-1}x", "asin(x)"),
    ("\\sin 2\\theta + 1", "sin(2*theta)+1"),
    ("\\cos\\omega t", "cos(omega*t)"),
    ("\\cos(\\omega t) A", "A*cos(omega*t)"),
    ("\\cos\\theta (R - b)", "cos(theta)*(R-b)"),
    ("\\cos\\theta/2", "cos(theta)/2"),
    ("\\cos\\theta \\cdot R", "cos(theta)*R"),
    ("\\tan\\frac{\\alpha}{2}", "tan(alpha/2)"),
    ("\\cos 2\\frac{\\pi x}{L}", "cos(2*pi*x/L)"),
    ("\\sin\\frac{\\pi}{N}(9 - 5\\tan^{2}\\frac{\\pi}{N})^{2}", "sin(pi/N)*(9-5*tan(pi/N)**2)**2"),
    ("\\mathrm{sin}i", "sin(i)"),
    ("\\text{arccosh}(D/R)", "acosh(D/R)"),
    ("\\operatorname{arsinh} x", "asinh(x)"),
    ("\\arccosh(x)", "acosh(x)"),
    ("\\arctan \\frac{a}{b}", "atan(a/b)"),
    ("\\ln\\sin\\theta", "log(sin(theta))"),
    ("\\ln\\left|x\\right|", "log(x)"),
    ("\\log_{10} x", "log(x, 10)"),
    ("\\log x", "log(x)"),
    ("|a - b| c", "c*Abs(a-b)"),
    ("\\left|a-b\\right|\\left|c-d\\right|", "Abs(a-b)*Abs(c-d)"),
    ("\\lvert a-b\\rvert", "Abs(a-b)"),
    ("|a-b|/|c-d|", "Abs(a-b)/Abs(c-d)"),
    ("45^\\circ", "pi/4"),
    ("\\sin 30^{\\circ}", "1/2"),
    ("\\gamma - 1", "gamma - 1"),
    ("\\gamma^2 \\omega^2", "gamma**2*omega**2"),
    ("\\gamma(1+x)", "gamma*(1+x)"),
    ("\\mu_0 I", "mu_0*I"),
    ("\\epsilon_0 + \\varepsilon_0", "2*varepsilon_0"),
    ("\\hbar \\ell", "hbar*ell"),
    ("\\vec{v_0} + \\mathbf{v}_0 + v_{0} + {v}_0 + \\hat v_0", "5*v_0"),
    ("\\bm{\\mu}\\boldsymbol{\\mu}", "mu**2"),
    ("\\begin{aligned} x &= a \\\\ &= b \\end{aligned}", "b"),
    ("v = at, \\quad t > 0", "a*t"),
    ("v = at,\\ \\text{ for } t > 0", "a*t"),
    ("v = at \\text{ (downwards)}", "a*t"),
    ("\\text{The speed is } at", "a*t"),
    ("5 \\, \\text{m/s}", "5"),
    ("x; y", "x"),
    ("x.", "x"),
    ("x \\left. y \\right.", "x*y"),
    (
        "\N{GREEK SMALL LETTER OMEGA}\N{SUPERSCRIPT TWO}r \N{MINUS SIGN} \N{GREEK CAPITAL LETTER OMEGA}",
        "omega**2*r - Omega",
    ),
    ("2\N{MULTIPLICATION SIGN}3\N{MIDDLE DOT}4", "24"),
    ("E \\times B", "E*B"),
    ("{{ \\alpha = \\frac{a}{b} }}", "a/b"),
    ("{a} + {b}", "a+b"),
    ("T = 5 a \\tag{15}", "5*a"),
    ("\\beta_{0}{}^{2}", "beta_0**2"),
    ("\\textstyle{x = {\\frac{a}{b}}}", "a/b"),
    ("x \\sim a", "a"),
    ("\\ln\\!\\Big(\\frac{a}{b}\\Big)\\,c", "log(a/b)*c"),
    ("\\cosh^{-1}(x)", "acosh(x)"),
    ("R^3_0 + R_0^3", "2*R_0**3"),
]
# Quantities that are not the same one.
DIFFERENT = [
    ("t", "t'"),
    ("v_0", "v"),
    ("v_0", "v_1"),
    ("\\phi", "\\varphi"),
    ("\\bar{v}", "v"),
    ("\\mathcal{E}", "E"),
    ("E", "e"),
    ("\\omega", "\\Omega"),
    ("m_1", "m_2"),
    ("T^*", "T"),
    ("\\pi_1", "\\pi"),
]
SAME = [
    ("v_{max}", "v_{\\max}"),
    ("v_{max}", "v_{\\text{max}}"),
    ("v_{max}", "v_\\mathrm{max}"),
    ("v_{max}", "v_{ \\mathrm{ max } }"),
    ("t'^2", "t^{\\prime} t'"),
    ("v^{\\prime 2}", "v'v'"),
    ("v^{\\prime\\prime}", "v''"),
    ("F^{'}_1", "F_1'"),
    ("A^{\\star}", "A^*"),
    ("v_0'", "v'_0"),
    ("\\bar{v}_0", "\\bar{v_0}"),
    ("\\overline{v}", "\\bar v"),
    ("T^*", "T^{*}"),
    ("\\varOmega", "\\Omega"),
    ("M_\\odot", "M_{\\odot}"),
]
UNREADABLE = [
    "", " ", "$$", "x =", "\\text{yes}x\\left(", "a +", "\\frac{a}", "\\frac{a", "(a", "a)", "(a]", "a ^", "a_", "\\sqrt",
    "x \\pm y", "\\int x dx", "\\sum_{n} n", "\\partial x", "\\foo x", "5!", "10 000", "x = 5 \\% ", "a : b", "\\bar{ab}",
    "\\frac{1}{0}", "0/0", "(" * 100 + "x" + ")" * 100, "\\lim_{x \\to 0} x", "\\begin{cases} a \\\\ b \\end{cases}", "_0",
    "\\sin", "^2", "|a", "a|", "\\text{No answer}", "**", "x..y", "\\text{ } ", "\\binom{n}{k}", "f(a, b)",
]  # fmt: skip


def meant(text: str) -> sympy.Expr:
    """sympy's reading of a test's expectation, with every name in it a positive quantity."""
    functions = {name: getattr(sympy, name) for name in "sin cos tan asin atan asinh acosh exp log sqrt Abs pi".split()}
    names = set(re.findall(r"[A-Za-z]\w*", text)) - set(functions)
    return sympy.sympify(text, locals=functions | {name: sympy.Symbol(name, positive=True) for name in names})


@pytest.mark.parametrize(("text", "meaning"), READ)
def test_readings(text: str, meaning: str) -> None:
    assert read(text) == meant(meaning)


@pytest.mark.parametrize(("left", "right"), DIFFERENT)
def test_quantities_that_differ(left: str, right: str) -> None:
    assert read(left) != read(right)


@pytest.mark.parametrize(("left", "right"), SAME)
def test_ways_to_write_one_quantity(left: str, right: str) -> None:
    assert read(left) == read(right)


@pytest.mark.parametrize("text", UNREADABLE)
def test_what_is_no_formula(text: str) -> None:
    with pytest.raises(Unreadable):
        read(text)


def test_tokens() -> None:
    assert tokens(r"x = \left( v_{\text{max}} \right)^2 \, t.") == ["(", "v", "_", "{", ":max", "}", ")", "^", "2", "t"]


PARTS = st.sampled_from(
    "a b x_1 \\omega 2 3.5 + - * / = ^ _ ( ) [ ] { } | , . ' e \\pi \\frac \\sqrt \\sin \\ln \\left \\right \\text{ab} "
    "\\text{a\\ b} \\cdot \\times \\bar \\infty \\\\ & \\foo".split()
)


@given(st.lists(PARTS, max_size=12).map(" ".join) | st.text(max_size=40))
def test_any_text_is_a_formula_or_unreadable(text: str) -> None:
    """Powers of numbers are left out: what takes for ever is for the limits, and tested with them."""
    assume(not {"^", "\N{SUPERSCRIPT TWO}", "\N{SUPERSCRIPT THREE}"} & set(text))
    try:
        value = read(text)
    except Unreadable:
        return
    assert isinstance(value, sympy.Expr)


FORMULAS = st.recursive(
    st.sampled_from(["a", "b", "x_1", "\\omega", "2", "\\frac{1}{3}", "7"]),
    lambda part: st.one_of(
        st.tuples(part, part).map(lambda two: f"\\left({two[0]} + {two[1]}\\right)"),
        st.tuples(part, part).map(lambda two: f"({two[0]}) ({two[1]})"),
        st.tuples(part, part).map(lambda two: f"\\frac{{{two[0]}}}{{{two[1]}}}"),
        part.map(lambda one: f"\\sqrt{{{one}}}"),
        part.map(lambda one: f"\\sin\\left({one}\\right)"),
        part.map(lambda one: f"\\left({one}\\right)^2"),
    ),
    max_leaves=8,
)


@given(FORMULAS)
def test_dress_changes_nothing(formula: str) -> None:
    value = read(formula)
    for dressed in (
        f"$${formula}$$",
        f"\\boxed{{{formula}}}",
        f"y = {formula}",
        f"{{{formula}}}",
        f"{formula}, \\text{{ for }} a > 0",
    ):
        assert read(dressed) == value
    assert read(formula.replace(" ", "")) == value
    assert read(formula.replace("\\left", "").replace("\\right", "")) == value
