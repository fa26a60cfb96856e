"""The decode page in a real browser, with the shipped checkpoint."""

from __future__ import annotations

import io
import re
import time
from pathlib import Path

import pytest
from browser_server import CAT, DOG, Server, answered_in, best_path, idle, settle
from PIL import Image
from playwright.sync_api import Page, expect

from cnnrnn.attribution.overlay import OPACITY


def steps(page: Page) -> list[str]:
    """The headings above the distributions."""
    page.get_by_text("Table of the steps").wait_for()
    return [text for text in page.locator("strong").all_inner_texts() if re.match(r"\d+ · ", text)]


def maps(page: Page) -> list[str]:
    return [str(image.get_attribute("src")) for image in page.get_by_alt_text("Evidence for").all()]


def test_upload_an_image_and_choose_another_path(page: Page, server: Server) -> None:
    expect(page.get_by_text("Why these labels?")).to_be_visible()
    print(f"\nstreamlit run to the page: {time.perf_counter() - server.started:.2f} s")
    expect(page.get_by_text("Table of the steps")).to_be_visible()  # the first sample is there already
    print(f"streamlit run to a decoded sample: {time.perf_counter() - server.started:.2f} s")
    labels, _ = best_path(CAT.read_bytes())
    started = time.perf_counter()
    page.locator("input[type=file]").set_input_files(CAT)
    expect(page.get_by_alt_text(f"The image {CAT.name}")).to_be_visible()
    expect(page.locator(".stMarkdownBadge")).to_have_text(labels)
    print(f"upload to labels: {time.perf_counter() - started:.2f} s")
    settle(page)
    expected = [f"{number} · {name}" for number, name in enumerate([*labels, "END"], start=1)]
    assert steps(page) == expected
    before = maps(page)
    assert len(before) == len(expected)
    assert "cat" in page.locator(".js-plotly-plot").first.inner_text()

    tree = page.locator(".js-plotly-plot").nth(1)
    leaves = tree.locator(".scatterlayer .trace").filter(has=page.locator(".point")).nth(1).locator(".point")
    assert leaves.count() >= 3  # the finished paths, as squares
    started = time.perf_counter()
    leaves.nth(1).click(force=True)
    expect(page.get_by_text("Labels of the chosen path")).to_be_visible()
    settle(page)
    print(f"click to another path's maps: {time.perf_counter() - started:.2f} s")
    assert steps(page) != expected
    assert maps(page) != before

    page.get_by_role("combobox", name=re.compile("Path")).click()  # the select box does the same
    page.keyboard.press("Home")
    best = page.get_by_role("option").first
    best.wait_for()
    seconds = answered_in(best, '!document.body.innerText.includes("Labels of the chosen path")')
    print(f"another path: {seconds:.2f} s")
    settle(page)
    assert steps(page) == expected


def test_later_uploads_are_decoded(page: Page) -> None:
    page.get_by_text("Table of the steps").wait_for()
    for number, path in enumerate((DOG, CAT, DOG)):
        with Image.open(path) as sample:
            sample.crop((number, number, *sample.size)).save(file := io.BytesIO(), "JPEG")  # seen by no test before
        upload = {"name": f"{number}.jpg", "mimeType": "image/jpeg", "buffer": file.getvalue()}
        labels, _ = best_path(file.getvalue())
        idle(page)
        started = time.perf_counter()
        page.locator("input[type=file]").set_input_files(upload)
        expect(page.get_by_alt_text(f"The image {number}.jpg")).to_be_visible()
        expect(page.locator(".stMarkdownBadge")).to_have_text(labels)
        print(f"\nthe next upload's labels: {time.perf_counter() - started:.2f} s")
        # The same option as for the image before, the first one, but another path.
        expect(page.get_by_role("combobox", name="Path")).to_have_value(re.compile(" → ".join([*labels, "END"])))


def test_arrow_keys_change_the_step_and_another_target_changes_the_maps(page: Page, server: Server) -> None:
    page.goto(f"{server.address}/?sample=cat+and+parakeet")
    expect(page.get_by_alt_text("The image cat and parakeet")).to_be_visible()
    settle(page)
    page.locator("h1").click()  # nothing that takes the keys itself is focused
    page.keyboard.press("ArrowRight")
    expect(page.get_by_alt_text("The image cat and parakeet with the evidence of step 2")).to_be_visible()
    settle(page)
    on = page.get_by_role("button", name=re.compile("^Next"))
    seconds = answered_in(on, "!!document.querySelector('img[alt$=\"evidence of step 3\"]')")
    print(f"\nanother step: {seconds:.2f} s")
    settle(page)
    assert "step=3" in page.url
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_alt_text("The image cat and parakeet with the evidence of step 2")).to_be_visible()
    settle(page)
    page.locator("[data-testid=stPopover] button").filter(has_text="Maps").click()
    for target in ("log-probability", "logit"):
        page.get_by_role("combobox", name=re.compile("Map target")).click()
        option = page.get_by_role("option", name=target, exact=True)
        option.wait_for()
        idle(page)
        before = maps(page)
        last = f"[...document.querySelectorAll('img[alt^=\"Evidence for\"]')].at(-1)?.src.endsWith({before[-1]!r})"
        seconds = answered_in(option, f"!({last})")
        print(f"another target's maps: {seconds:.2f} s")
        settle(page)
    expect(page.get_by_text("whatever the logits of the other labels are")).to_be_visible()
    assert maps(page) != before


def test_the_settings_of_maps_are_what_was_chosen_also_when_they_are_opened_later(page: Page) -> None:
    settle(page)
    page.locator("h1").click()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_alt_text("with the evidence of step 2")).to_be_visible()
    settle(page)
    page.locator("[data-testid=stPopover] button").filter(has_text="Maps").click()
    expect(page.get_by_role("slider", name="Opacity of the maps")).to_have_value(str(OPACITY))
    expect(page.get_by_role("switch", name="Contour at half of the scale")).to_be_checked()
    page.keyboard.press("Escape")
    before = maps(page)
    page.locator("h1").click()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_alt_text("with the evidence of step 1")).to_be_visible()
    settle(page)
    assert "opacity" not in page.url
    assert "contour" not in page.url
    assert maps(page) == before


_PASTE = """(bytes) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([new Uint8Array(bytes)], "image.png", {type: "image/png"}));
  document.dispatchEvent(new ClipboardEvent("paste", {clipboardData: transfer, bubbles: true, cancelable: true}));
}"""


def test_a_pasted_image_is_decoded(page: Page) -> None:
    expect(page.get_by_text("Decoding steps")).to_be_visible()
    settle(page)
    page.locator("body[data-paste]").wait_for(state="attached")
    page.evaluate(_PASTE, list(CAT.read_bytes()))
    expect(page.get_by_alt_text("The image image.png")).to_be_visible()
    expect(page.locator(".stMarkdownBadge")).to_have_text(best_path(CAT.read_bytes())[0])


def test_a_bad_upload_is_an_error_message_without_a_traceback(page: Page, tmp_path: Path) -> None:
    broken = tmp_path / "<img src=x onerror=alert(1)>.jpg"
    broken.write_bytes(CAT.read_bytes()[:5000])
    expect(page.get_by_text("Decoding steps")).to_be_visible()
    page.locator("input[type=file]").set_input_files(broken)
    expect(page.get_by_text("damaged or cut off")).to_be_visible()
    assert "Traceback" not in page.locator("body").inner_text()
    page.get_by_role("button", name="Samples").click()
    page.get_by_role("button", name="dog at a laptop").click()  # the page still works
    expect(page.get_by_alt_text("The image dog at a laptop")).to_be_visible()
    settle(page)
    assert "sample=dog+at+a+laptop" in page.url


def test_a_link_reopens_the_view(page: Page, server: Server) -> None:
    page.goto(f"{server.address}/?sample=cat+and+parakeet&beam=3")
    expect(page.get_by_alt_text("The image cat and parakeet")).to_be_visible()
    settle(page)
    page.get_by_role("combobox", name=re.compile("Path")).click()
    expect(page.get_by_role("option")).to_have_count(3)


def test_the_path_is_played_in_the_browser_when_somebody_says_so(page: Page, server: Server) -> None:
    page.goto(f"{server.address}/?sample=cat+and+parakeet")
    still = page.get_by_alt_text("with the evidence of step 1")
    expect(still).to_be_visible()
    settle(page)
    height = still.evaluate("(image) => image.getBoundingClientRect().height")
    page.get_by_text("Animate").click()
    image = page.get_by_alt_text(re.compile(r"evidence of step \d+ · "))
    expect(image).to_have_attribute("alt", re.compile("evidence of step 3 · "))  # it starts by itself
    assert image.evaluate("(image) => image.getBoundingClientRect().height") == pytest.approx(height, abs=1)
    expect(page.get_by_alt_text("Color scale from 0 to each map's strongest")).to_be_visible()
    settle(page)
    slider = page.get_by_role("slider", name="Step of the animation")
    slider.press("Home")
    labels = [*best_path(CAT.read_bytes())[0], "END"]
    played = image.evaluate("""(image) => new Promise((resolve) => {
      const root = image.getRootNode(), alts = [image.alt], sources = [image.src];
      const button = root.querySelector("button"), slider = root.querySelector("input");
      new MutationObserver(() => {
        if (image.alt !== alts.at(-1)) { alts.push(image.alt); sources.push(image.src); }
        if (slider.value === slider.max) resolve([alts, new Set(sources).size, performance.now() - start]);
      }).observe(image, {attributes: true});
      const start = performance.now();
      button.click();
    })""")
    alts, different, milliseconds = played
    assert [alt.partition(" step ")[2] for alt in alts] == [f"{n} · {name}" for n, name in enumerate(labels, start=1)]
    assert different == len(labels)
    assert milliseconds > 900 * (len(labels) - 1)
    assert page.locator("[data-testid=stApp]").get_attribute("data-test-script-state") == "notRunning"
    slider.press("Home")
    expect(image).to_have_attribute("alt", re.compile(r"step 1 · "))
    settle(page)
    assert "step=" not in page.url  # the page's own arrow keys don't listen to the slider


def test_the_strip_and_the_switch_are_used_by_keyboard(page: Page, server: Server) -> None:
    page.goto(f"{server.address}/?sample=cat+and+parakeet")
    second = page.get_by_role("button", name=re.compile("^2 · "))
    expect(second).to_be_visible()
    settle(page)
    first = page.get_by_role("button", name=re.compile("^1 · "))
    first.focus()
    page.keyboard.press("Tab")  # one stop for each small map
    expect(second).to_be_focused()
    assert second.evaluate("(button) => getComputedStyle(button).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page.get_by_alt_text("evidence of step 2")).to_be_visible()
    settle(page)
    expect(second).to_be_focused()
    switch = page.get_by_role("switch", name="Animate")
    switch.focus()
    page.keyboard.press("Space")
    expect(page.get_by_role("slider", name="Step of the animation")).to_be_visible()
    settle(page)
    expect(switch).to_be_focused()


def test_the_chosen_step_is_readable_under_the_pointer(page: Page, server: Server) -> None:
    page.goto(f"{server.address}/?sample=cat+and+parakeet")
    button = page.get_by_role("button", name=re.compile("^2 · "))
    button.click()  # and the pointer stays
    settle(page)
    look = "button => [getComputedStyle(button).color, getComputedStyle(button).backgroundColor]"
    expect(button).to_have_css("background-color", "rgb(179, 66, 11)")
    assert button.evaluate(look) == ["rgb(255, 255, 255)", "rgb(179, 66, 11)"]
    page.mouse.down()
    assert button.evaluate(look) == ["rgb(255, 255, 255)", "rgb(179, 66, 11)"]


def test_a_click_on_the_image_asks_that_location(page: Page, server: Server) -> None:
    page.goto(f"{server.address}/?sample=cat+and+parakeet&ask_location=true")
    picture = page.locator(".st-key-picture")
    chart = picture.locator(".js-plotly-plot")
    expect(chart).to_be_visible()
    settle(page)
    frame = chart.locator(".shapelayer path").first
    before = frame.bounding_box()
    box = chart.bounding_box()
    assert box is not None
    # The locations of 14 rows and columns look 0.4844 cells to the right of and below the middle of their cells.
    x, y = box["x"] + box["width"] * (3 + 0.9844) / 14, box["y"] + box["height"] * (10 + 0.9844) / 14
    page.mouse.click(x, y)
    expect(page.get_by_label("Row (1 to 14)")).to_have_value("11")
    expect(page.get_by_label("Column (1 to 14)")).to_have_value("4")
    settle(page)
    after = frame.bounding_box()
    assert before is not None
    assert after is not None
    assert before != after
    assert (after["x"] + after["width"] / 2, after["y"] + after["height"] / 2) == pytest.approx((x, y), abs=2)
    page.get_by_label("Row (1 to 14)").fill("2")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("row=2"))
    settle(page)
    moved = frame.bounding_box()
    assert moved is not None
    assert after["y"] - moved["y"] == pytest.approx(box["height"] * 9 / 14, abs=2)


def test_the_unfolded_tree_scrolls_in_a_box(page: Page, server: Server) -> None:
    page.goto(f"{server.address}/?sample=pizza&rare=true")
    box = page.locator(".st-key-tree_box")
    expect(box.locator(".js-plotly-plot")).to_be_visible()
    settle(page)
    shown, whole = box.evaluate("(box) => [box.clientHeight, box.scrollHeight]")
    assert shown < 700 < whole


def test_the_tree_is_downloaded_as_a_drawing(page: Page, server: Server, tmp_path: Path) -> None:
    page.goto(f"{server.address}/?sample=cat+and+parakeet")
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Tree (SVG)").click()
    download.value.save_as(tmp_path / "tree.svg")
    assert "END: path" in (tmp_path / "tree.svg").read_text()


def test_the_buttons_beside_the_labels_stay_together(page: Page, server: Server) -> None:
    """With two, three and four labels: at the heading's height where there is room for both, else below all labels."""
    for sample, labels in (("cat and parakeet", 2), ("street", 3), ("pizza", 4)):
        page.goto(f"{server.address}/?sample={sample}")
        expect(page.locator(".stMarkdownBadge")).to_have_count(labels)
        for width in (1440, 1300, 1000, 390):
            page.set_viewport_size({"width": width, "height": 2600})
            idle(page)
            beside = page.locator(".st-key-predicted_labels")
            heading, row = (found.bounding_box() for found in (beside.get_by_role("heading"), beside))
            maps, export = (beside.get_by_role("button", name=name).bounding_box() for name in ("Maps", "Export"))
            badges = [badge.bounding_box() for badge in beside.locator(".stMarkdownBadge").all()]
            assert heading
            assert row
            assert maps
            assert export
            assert maps["y"] == export["y"], (sample, width)
            if width >= 1300:
                assert maps["y"] <= heading["y"] <= heading["y"] + heading["height"] <= maps["y"] + maps["height"]
                assert export["x"] + export["width"] == pytest.approx(row["x"] + row["width"], abs=1)
                assert all(badge and badge["x"] + badge["width"] < maps["x"] for badge in badges)
            else:
                assert all(badge and badge["y"] + badge["height"] <= maps["y"] for badge in badges)
