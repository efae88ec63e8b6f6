"""A page that says the same is rendered once; what it says is all that decides, and nobody gets what is another's."""

from jinja2 import DictLoader, Environment

from app.web.same_pages import SamePages

PAGES = {"trip": '<b>{{ secured }}</b><input value="{{ key }}"><i>{{ key }}</i>{{ said }}'}


def environment() -> Environment:
    return Environment(loader=DictLoader(PAGES), autoescape=True)


def test_each_visitor_gets_their_own_text_in_a_page_that_is_rendered_once() -> None:
    jinja = environment()
    pages = SamePages(jinja)
    views = {"secured": 3, "key": pages.mark("key"), "said": ""}
    assert pages.render("trip", views, {"key": "anna"}) == '<b>3</b><input value="anna"><i>anna</i>'
    jinja.loader = None  # cannot be rendered again
    jinja.cache = None
    assert pages.render("trip", dict(views), {"key": '"><script>'}) == (
        '<b>3</b><input value="&#34;&gt;&lt;script&gt;"><i>&#34;&gt;&lt;script&gt;</i>'
    )


def test_another_count_is_another_page() -> None:
    pages = SamePages(environment())
    shown = [pages.render("trip", {"secured": n, "key": pages.mark("key"), "said": ""}, {"key": "k"})[:8] for n in (3, 4, 3)]
    assert shown == ["<b>3</b>", "<b>4</b>", "<b>3</b>"]


def test_nobody_can_write_a_mark_into_a_page() -> None:
    pages = SamePages(environment())
    strangers_mark = SamePages(environment()).mark("key")
    shown = pages.render("trip", {"secured": 3, "key": pages.mark("key"), "said": strangers_mark}, {"key": "mine"})
    assert shown.endswith(strangers_mark)


def test_the_pages_shown_longest_ago_are_forgotten() -> None:
    pages = SamePages(environment(), limit=2)
    for secured in (1, 2, 3, 4):
        pages.render("trip", {"secured": secured, "key": pages.mark("key"), "said": ""}, {"key": "k"})
    assert len(pages) == 2
