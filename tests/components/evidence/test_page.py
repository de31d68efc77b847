"""The pages that gates leave behind."""

from penstock.components.evidence.page import write_page


def test_a_page_tells_no_secrets_and_runs_nothing(tmp_path):
    template = tmp_path / "one.html.j2"
    template.write_text('{% extends "page.html.j2" %}{% block content %}{{ source }} {{ rows[0] }}{% endblock %}')
    source = "https://user:SECRET@host/rows.csv?signature=SECRET"
    write_page(template, tmp_path / "one.html", title=source, source=source, rows=[f"<script>{source}</script>"])
    page = (tmp_path / "one.html").read_text()
    assert page.count("https://***@host/rows.csv?***") >= 2
    assert "SECRET" not in page
    assert "<script>https" not in page
