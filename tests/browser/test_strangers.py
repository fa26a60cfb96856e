"""Labels, file names and EXIF that contain HTML, Markdown or scripts are displayed as text."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser_server import ROOT, new_page, serve, settle
from helpers import TINY_BACKBONE
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from typer.testing import CliRunner

from cnnrnn.cli.main import app
from cnnrnn.data import load_split

SCRIPT, IMAGE = "<script>owned()</script>", "<img src=x onerror=owned()>"
LABELS = {
    "circle": SCRIPT,
    "square": IMAGE,
    "triangle": '"><svg onload=owned()>',
    "star": "</script><script>owned()</script>",
    "cross": "[label](javascript:owned())",
    "diamond": r"$\href{javascript:owned()}{x}$ **bold** :red[red]",
}
LISTEN = "window.owned = () => { window.wasOwned = true }; window.alert = window.owned"
TINY = [*TINY_BACKBONE, "--embedding", "16", "--hidden", "16"]


def save_with_exif(image: Image.Image, path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E], exif[0x013B] = SCRIPT, IMAGE  # description and artist
    image.save(path, exif=exif)


def cnnrnn(*arguments: object) -> None:
    done = CliRunner().invoke(app, list(map(str, arguments)))
    assert done.exit_code == 0, done.output


@pytest.fixture(scope="module")
def evil(scenes_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the dashboard with a checkpoint that was trained on such labels, and an evaluation of it."""
    folder = tmp_path_factory.mktemp("evil")
    shutil.copytree(ROOT / "dashboard", folder / "dashboard")
    rows = []
    for number, sample in enumerate(load_split("scenes", scenes_root, "train").samples[:120]):
        name = f"{IMAGE} {number}.png"
        save_with_exif(Image.open(sample.image), folder / name)
        labels = "|".join(LABELS[label] for label in sorted(sample.labels))
        split = "test" if number % 10 == 0 else "val" if number % 5 == 0 else "train"
        rows.append(f'{name},"{labels.replace(chr(34), 2 * chr(34))}",{split}\n')
    table = folder / "images.csv"
    table.write_text("image,labels,split\n" + "".join(rows))
    data = ["--dataset", "table", "--root", table, "--separator", "|"]
    checkpoint = folder / "checkpoints" / "<b>evil"
    cnnrnn(
        "train", *data, "--out", folder / "run", *TINY, "--epochs", 16, "--batch-size", 8, "--backbone-lr", 3e-3,
        "--lr", 3e-3, "--auxiliary", 1,
    )  # fmt: skip
    shutil.copytree(folder / "run" / "best", checkpoint)
    files = ["--per-image", folder / f"{IMAGE}.jsonl", "--html", folder / "report.html"]
    cnnrnn("evaluate", "--checkpoint", checkpoint, *data, "--min-positives", 1, "--record", *files)
    return folder


@pytest.fixture(scope="module")
def visit(evil: Path, browser: Browser) -> Iterator[Page]:
    with serve(evil / "dashboard" / "app.py") as server:
        page = new_page(browser, viewport={"width": 1300, "height": 2600}, accept_downloads=True)
        page.add_init_script(LISTEN)
        page.goto(server.address)
        yield page
        assert "Traceback" not in server.log()
        assert str(evil) not in page.content()  # no path of the server
        page.close()


def assert_untouched(page: Page) -> None:
    settle(page)
    assert page.evaluate("window.owned !== undefined && !window.wasOwned")
    for element in ("img[src='x']", "svg[onload]", "[onerror]", "a[href^=javascript]", "b:has-text('evil')"):
        assert page.locator(element).count() == 0, element
    assert "An unexpected error" not in page.locator("body").inner_text()


def go(page: Page, title: str, question: str) -> None:
    page.get_by_role("link", name=title, exact=True).click()
    expect(page.get_by_text(question, exact=True)).to_be_visible()


def test_the_decode_page_escapes_file_names_and_labels(visit: Page, evil: Path) -> None:
    visit.locator("input[type=file]").first.set_input_files(evil / f"{IMAGE} 0.png")
    expect(visit.get_by_alt_text(f"The image {IMAGE} 0.png")).to_be_visible()
    expect(visit.get_by_text("Decoding steps")).to_be_visible()
    settle(visit)
    badges = visit.locator(".stMarkdownBadge").all_inner_texts()
    assert badges
    assert set(badges) <= set(LABELS.values())  # unchanged
    assert_untouched(visit)


def test_the_exported_report_escapes_labels(visit: Page, evil: Path, browser: Browser, tmp_path: Path) -> None:
    visit.get_by_role("button", name="Export").click()
    with visit.expect_download() as download:
        visit.get_by_role("button", name="Report (HTML)").click()
    download.value.save_as(tmp_path / "decoded.html")
    for report in (tmp_path / "decoded.html", evil / "report.html"):
        page = new_page(browser)
        page.add_init_script(LISTEN)
        page.goto(report.as_uri())
        expect(page.locator(".js-plotly-plot").first).to_be_visible()
        assert page.evaluate("window.owned !== undefined && !window.wasOwned")
        for element in ("img[src='x']", "svg[onload]", "[onerror]", "a[href^=javascript]"):
            assert page.locator(element).count() == 0, (report.name, element)
        assert SCRIPT in page.locator("body").inner_text()
        page.close()


@pytest.mark.parametrize(
    ("title", "question"),
    [
        ("What if?", "What does the prediction depend on?"),
        ("Label space", "Which labels are similar?"),
        ("Compare", "What is different?"),
        ("Model", "What is this model?"),
    ],
)
def test_every_page_escapes_labels(visit: Page, title: str, question: str) -> None:
    go(visit, title, question)
    settle(visit)
    assert_untouched(visit)
    if title != "Compare":  # there is only one model
        assert "owned()" in visit.locator("[data-testid=stMain]").inner_text()


def test_the_evaluate_page_escapes_labels_and_file_names(visit: Page, evil: Path) -> None:
    go(visit, "Evaluate", "How good is the model, and where does it fail?")
    visit.get_by_role("button", name="Other data").click()
    visit.locator("input[type=file][accept*=jsonl]").set_input_files(evil / f"{IMAGE}.jsonl")
    expect(visit.get_by_role("combobox", name="Evaluation")).to_have_value(re.compile(re.escape(IMAGE)))
    settle(visit)
    expect(visit.get_by_text(re.compile("images, coverage"))).to_be_visible()
    assert_untouched(visit)
