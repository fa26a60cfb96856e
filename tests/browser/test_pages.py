"""The main use of every other page in a real browser, at the width of a desktop and of a phone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from browser_server import CAT, PATIENCE, Server, answered_in, best_path, settle
from playwright.sync_api import Page, expect

WIDTHS = [pytest.param(1300, id="desktop"), pytest.param(390, id="phone")]


def opened(page: Page, server: Server, path: str, width: int, title: str) -> None:
    page.set_viewport_size({"width": width, "height": 1800})
    page.goto(f"{server.address}/{path}")
    expect(page.get_by_text(title, exact=True)).to_be_visible()
    settle(page)
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= width  # no horizontal overflow


@pytest.mark.parametrize("width", WIDTHS)
def test_an_excluded_label_changes_the_best_path(page: Page, server: Server, width: int) -> None:
    opened(page, server, "what_if?sample=skateboarder", width, "What does the prediction depend on?")
    page.get_by_role("combobox", name=re.compile("Excluded labels")).click()
    page.keyboard.type("person")  # a long list shows its first entries only
    person = page.get_by_role("option", name="person", exact=True)
    person.wait_for()
    seconds = answered_in(person, "document.body.innerText.includes('Best path before')")
    print(f"\na what-if: {seconds:.2f} s")
    paths = page.locator("p").filter(has_text="Best path before")  # only this section compares the two
    expect(paths).to_be_visible()
    settle(page)
    before, after = paths.inner_text().split("Best path after")
    assert "person" in before
    assert "person" not in after
    expect(page.get_by_alt_text(re.compile("The image with the evidence for"))).to_be_visible()


@pytest.mark.parametrize("width", WIDTHS)
def test_the_map_has_labels_and_decoding_steps(page: Page, server: Server, width: int) -> None:
    opened(page, server, "label_space?sample=cat+and+parakeet&found=airplane", width, "Which labels are similar?")
    expect(page.locator(".js-plotly-plot")).to_have_count(2)  # the map and the matrix
    chart = page.locator(".js-plotly-plot").first
    expect(chart.get_by_text("airplane")).to_be_visible()
    expect(page.get_by_text(f"1 {best_path(CAT.read_bytes())[0][0]}")).to_be_visible()


@pytest.mark.parametrize("width", WIDTHS)
def test_the_model_page_has_metrics_settings_and_files(page: Page, server: Server, width: int) -> None:
    opened(page, server, "model", width, "What is this model?")
    expect(page.get_by_text("mAP", exact=True).first).to_be_visible()
    expect(page.get_by_text(re.compile("cnnrnn train .*--dataset table"))).to_be_visible()
    assert page.locator("[data-testid=stDataFrame]").count() >= 2  # its settings and its files


def test_an_upload_stays_chosen_on_the_next_page(page: Page, server: Server) -> None:
    opened(page, server, "", 1300, "Why these labels?")
    page.locator("input[type=file]").set_input_files(CAT)
    expect(page.get_by_alt_text(f"The image {CAT.name}")).to_be_visible()
    settle(page)
    page.get_by_role("link", name="What if?").click()
    expect(page.get_by_role("heading", name="Constrained decoding")).to_be_visible()
    expect(page.get_by_alt_text(f"The image {CAT.name}")).to_be_visible()


@pytest.mark.parametrize("width", WIDTHS)
def test_two_models_are_compared_on_one_image(page: Page, server: Server, width: int) -> None:
    opened(page, server, "compare?sample=cat+and+parakeet&other_model=coco-sigmoid", width, "What is different?")
    expect(page.get_by_role("heading", name="coco-sigmoid")).to_be_visible()
    expect(page.get_by_alt_text("The image cat and parakeet")).to_have_count(1)  # of both models
    assert "cat" in page.locator(".stMarkdownBadge").all_inner_texts()
    expect(page.get_by_text("predict no sequence")).to_be_visible()


@pytest.mark.parametrize("width", WIDTHS)
def test_an_evaluation_is_stopped_and_an_error_opens_in_decode(
    page: Page, server: Server, width: int, shared_data: Path
) -> None:
    opened(page, server, "evaluate?checkpoint=voc", width, "How good is the model, and where does it fail?")
    page.get_by_role("button", name="Other data").click()
    page.get_by_role("combobox", name=re.compile("Split")).click()
    page.get_by_role("option", name="test", exact=True).click()
    settle(page)
    page.get_by_role("button", name="Evaluate", exact=True).click()
    expect(page.get_by_text(re.compile("(6[4-9]|[7-9][0-9]) of 1136 images"))).to_be_visible(timeout=3 * PATIENCE)
    page.get_by_role("button", name="Stop").click()
    chosen = page.get_by_role("combobox", name="Evaluation")
    expect(chosen).to_have_value(re.compile("voc0712 test, voc"))
    settle(page)
    count = re.search(r"(\d+) images, coverage", page.locator("[data-testid=stMain]").inner_text())
    assert count is not None
    assert 64 <= int(count[1]) < 1136  # the finished images are kept
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= width
    page.get_by_role("button", name="Open in Decode").first.click()
    expect(page.get_by_text("Why these labels?")).to_be_visible()
    expect(page.get_by_text("ground truth")).to_be_visible()


def test_every_page_has_its_address_and_title_and_a_lost_checkpoint_is_named(page: Page, server: Server) -> None:
    page.goto(f"{server.address}/decode?sample=cat+and+parakeet")
    expect(page.get_by_alt_text("The image cat and parakeet with the evidence of step 1")).to_be_visible()
    expect(page).to_have_title("Decode · cnnrnn")
    settle(page)
    page.get_by_role("link", name="Model").click()
    expect(page).to_have_title("Model · cnnrnn")
    settle(page)
    page.go_back()  # once
    expect(page.get_by_text("Why these labels?")).to_be_visible()
    page.goto(f"{server.address}/?checkpoint=gone%3Cb%3E")
    expect(page.get_by_text("the checkpoint gone<b>, which is not here any more. This is coco.")).to_be_visible()


@pytest.mark.parametrize("width", WIDTHS)
def test_evaluate_opens_with_the_evaluation_of_the_checkpoint_itself(page: Page, server: Server, width: int) -> None:
    opened(page, server, "evaluate", width, "How good is the model, and where does it fail?")
    expect(page.get_by_text("1000 images, coverage")).to_be_visible()
    page.get_by_role("tab", name="Co-occurrence").click()
    expect(page.get_by_text(re.compile("predicted wrongly after"))).to_be_visible()
    expect(page).to_have_url(re.compile("tab=Co-occurrence"))
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", WIDTHS)
def test_two_models_are_compared_on_recorded_images(page: Page, server: Server, width: int) -> None:
    path = "compare?compare=two+models%2C+many+images&other_model=coco-sigmoid"
    opened(page, server, path, width, "What is different?")
    expect(page.get_by_text("1000 images. The bars are 95% intervals")).to_be_visible()
    expect(page.get_by_text(re.compile(r"changed \(\d+\)"))).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_samples_are_evaluated_and_one_opens_in_decode(page: Page, server: Server) -> None:
    opened(page, server, "evaluate", 1300, "How good is the model, and where does it fail?")
    page.get_by_role("button", name="Evaluate the sample photographs").click()
    expect(page.get_by_text("32 images, coverage")).to_be_visible()
    settle(page)
    page.get_by_role("button", name="Open in Decode").first.click()
    expect(page.get_by_text("Why these labels?")).to_be_visible()
    expect(page.get_by_text("ground truth")).to_be_visible()
