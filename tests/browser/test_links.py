"""What was chosen is in the address and holds on every page; "back" leads to the page before."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from browser_server import Server, settle
from playwright.sync_api import Page, TimeoutError, expect


def opened(page: Page, server: Server, link: str, question: str) -> None:
    page.goto(f"{server.address}/{link}")
    expect(page.get_by_text(question, exact=True)).to_be_visible()
    settle(page)


def go(page: Page, name: str, question: str) -> None:
    page.get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_text(question, exact=True)).to_be_visible()
    settle(page)


def chosen(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def shows(page: Page, label: str, value: str) -> None:
    """A select box's, slider's or multiselect's value, where a person reads it."""
    box = page.locator("[data-testid=stSelectbox], [data-testid=stMultiSelect], [data-testid=stSlider]")
    expect(box.filter(has_text=label)).to_contain_text(value)


def expect_address(page: Page, expected: dict[str, list[str]]) -> None:
    with suppress(TimeoutError):
        page.wait_for_url(lambda url: parse_qs(urlsplit(url).query) == expected, timeout=10_000)
    assert chosen(page) == expected


WHY, WHAT_IF, SPACE, MODEL, COMPARE = (
    "Why these labels?",
    "What does the prediction depend on?",
    "Which labels are similar?",
    "What is this model?",
    "What is different?",
)


def test_a_link_of_decode_holds_on_other_pages_and_after_coming_back(page: Page, server: Server) -> None:
    link = "sample=dog+at+a+laptop&beam=3&path=1&step=2&target=contrast&rival=dog&colormap=cividis&opacity=0.5"
    opened(page, server, f"?{link}&common_scale=true", WHY)
    expected = {**parse_qs(link), "common_scale": ["true"]}

    def check() -> None:
        expect(page.get_by_alt_text("with the evidence of step 2")).to_be_visible()
        expect(page.get_by_text("Labels of the chosen path")).to_be_visible()
        page.locator("[data-testid=stPopover] button").filter(has_text="Maps").click()
        expect(page.get_by_text("and against dog")).to_be_visible()
        page.keyboard.press("Escape")
        shows(page, "Beam width", "3")
        expect_address(page, expected)

    check()
    go(page, "What if?", WHAT_IF)
    shows(page, "Beam width", "3")
    expect_address(page, {"sample": ["dog at a laptop"], "beam": ["3"]})
    go(page, "Model", MODEL)
    go(page, "Decode", WHY)
    check()
    page.reload()
    check()


def test_what_if_choices_survive_a_page_switch_and_are_in_the_link(page: Page, server: Server) -> None:
    opened(page, server, "what_if?sample=skateboarder&forced_label=dog&at_step=2&occluded_fraction=0.4", WHAT_IF)
    page.get_by_role("combobox", name=re.compile("Excluded labels")).click()
    page.keyboard.type("person")
    page.get_by_role("option", name="person", exact=True).click()
    page.keyboard.press("Escape")
    settle(page)
    expected = {
        "sample": ["skateboarder"],
        "forced_label": ["dog"],
        "at_step": ["2"],
        "excluded": ["person"],
        "occluded_fraction": ["0.4"],
    }
    expect_address(page, expected)
    go(page, "Model", MODEL)
    go(page, "What if?", WHAT_IF)
    for _ in range(2):
        shows(page, "Excluded labels", "person")
        expect(page.get_by_role("combobox", name=re.compile("Forced label"))).to_have_value("dog")
        expect(page.get_by_text("Best path before")).to_be_visible()
        expect_address(page, expected)
        page.reload()
        expect(page.get_by_text(WHAT_IF, exact=True)).to_be_visible()
        settle(page)


def test_choices_of_the_label_space_and_of_compare_are_in_the_link(page: Page, server: Server) -> None:
    opened(page, server, "label_space?found=dog&map=PCA", SPACE)
    expect(page.get_by_role("combobox", name=re.compile("Find a label"))).to_have_value("dog")
    go(page, "Compare", COMPARE)
    page.get_by_role("radio", name="two images").click()
    expect(page.get_by_text("or another sample")).to_be_visible()
    settle(page)
    expect_address(page, {"compare": ["two images"]})
    go(page, "Label space", SPACE)
    expect_address(page, {"found": ["dog"], "map": ["PCA"]})


def test_one_press_of_back_leads_to_the_page_before(page: Page, server: Server) -> None:
    opened(page, server, "decode?sample=dog+at+a+laptop", WHY)
    for step in (2, 3):
        page.get_by_role("button", name=re.compile("^Next")).click()
        expect(page.get_by_alt_text(f"with the evidence of step {step}")).to_be_visible()
        settle(page)
    go(page, "What if?", WHAT_IF)
    go(page, "Model", MODEL)
    page.go_back()
    expect(page.get_by_text(WHAT_IF, exact=True)).to_be_visible()
    settle(page)
    page.go_back()
    expect(page.get_by_alt_text("with the evidence of step 3")).to_be_visible()
    settle(page)
    expect_address(page, {"sample": ["dog at a laptop"], "step": ["3"]})
    page.go_back()
    expect(page).to_have_url(f"{server.address}/")  # where the test began


def test_what_a_link_names_and_is_not_here_is_said(page: Page, server: Server) -> None:
    opened(page, server, "?checkpoint=voc&target=contrast&rival=giraffe%3Cb%3E", WHY)
    expect(page.get_by_text("The link has rival = giraffe<b>, which is not possible here.")).to_be_visible()
    assert chosen(page)["target"] == ["contrast"]
    assert "rival" not in chosen(page)


def test_a_link_of_a_data_set_s_image_opens_it(page: Page, server: Server, shared_data: Path) -> None:
    opened(page, server, "?data=voc2007/test/3", WHY)
    expect(page.get_by_text("ground truth")).to_be_visible()
    expect_address(page, {"data": ["voc2007/test/3"]})
    opened(page, server, "?data=voc2007/test/x", WHY)
    expect(page.get_by_text("a data set that is not here")).to_be_visible()
