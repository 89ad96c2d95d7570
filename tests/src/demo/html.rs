//! The demo's result as a page of its own: what each method left behind, side by side, and the way
//! that each execution took through the states. It refers to nothing outside.

use std::collections::BTreeSet;
use std::fmt::Write;

use harness::execution::Visit;

use super::demo_run::{Method, Row};

const STYLE: &str = "\
:root{color-scheme:light dark;--line:#d0d7de;--good:#1a7f37;--bad:#9a6700;--way:#0969da;--soft:#57606a}\
@media(prefers-color-scheme:dark){:root{--line:#30363d;--good:#3fb950;--bad:#d29922;--way:#58a6ff;\
--soft:#8b949e}}\
body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2rem auto;padding:0 1rem}\
main{display:grid;grid-template-columns:repeat(auto-fit,minmax(300px,1fr));gap:1rem}\
article{border:1px solid var(--line);border-radius:8px;padding:0 1rem 1rem}\
.good{color:var(--good)}.bad{color:var(--bad)}.good,.bad{font-weight:600}\
dl{display:grid;grid-template-columns:auto 1fr;gap:.2rem .8rem;margin:0}dt{color:var(--soft)}\
dd{margin:0;overflow-wrap:anywhere}\
.way{display:grid;grid-template-columns:minmax(0,1fr) 15rem;gap:1rem;align-items:start}\
.way svg{width:100%;height:auto}ol{margin:0;padding-left:2rem}ol span{color:var(--soft)}\
.way svg g:not(.taken){opacity:.35}.way svg .line:not(.taken){opacity:.2}\
.way svg .taken>.shape{stroke-width:2.5}.way svg .line.taken{stroke:var(--way);stroke-width:2}\
@media(max-width:700px){.way{grid-template-columns:1fr}}";

/// The page. `picture` is the SVG of the state machine.
pub(super) fn page(rows: &[Row], picture: &str) -> String {
    let cards: String = rows.iter().map(card).collect();
    let ways: String =
        rows.iter().filter(|row| !row.visits.is_empty()).map(|row| way(row, picture)).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>Driftless: the demo</title>\n<style>{STYLE}</style></head>\n<body>\n\
         <h1>Driftless: the demo</h1>\n\
         <p>In each of three stacks, a new image of the running instance was promoted: by the two \
         patterns of Driftless, and for comparison by the usual script, which creates a launch \
         template version and points the group to it. Then the instance was killed.</p>\n\
         <main>{cards}</main>\n{ways}</body></html>\n"
    )
}

/// What one method left behind.
fn card(row: &Row) -> String {
    let is_healed = row.healed_image == row.image_after;
    let is_in_sync = row.drift.differences.is_empty();
    let mut drift = marked(&row.drift.status, is_in_sync);
    for one in &row.drift.differences {
        let (id, path) = (escaped(&one.logical_id), escaped(&one.path).replace('/', "<wbr>/"));
        let (expected, actual) = (escaped(&one.expected), escaped(&one.actual));
        let _ = write!(drift, "<br>{id}{path}: {expected} in the template, {actual} in the group");
    }
    if is_in_sync {
        let _ = write!(drift, ", {} resources compared", row.drift.resources_checked);
    }
    let took = row.steps.map_or_else(String::new, |steps| format!("{steps} states, "));
    let rows = [
        ("before", escaped(&row.image_before)),
        ("promoted", escaped(&row.image_after)),
        ("healed into", marked(&row.healed_image, is_healed)),
        ("drift", drift),
        ("took", format!("{took}{} calls to AWS, {:.2} s", row.aws_calls, row.seconds)),
    ];
    let rows: Vec<_> =
        rows.iter().map(|(name, value)| format!("<dt>{name}</dt><dd>{value}</dd>")).collect();
    format!("<article><h2>{}</h2><dl>{}</dl></article>\n", title(row.method), rows.concat())
}

fn title(method: Method) -> &'static str {
    match method {
        Method::Parameter => "Pattern 1: parameter",
        Method::Stack => "Pattern 2: stack",
        Method::Naive => "The usual script",
    }
}

/// The way of one execution: in the picture, and as a list with times.
fn way(row: &Row, picture: &str) -> String {
    let visits = row.visits.iter().map(|visit| {
        format!("<li>{} <span>{:.2} s</span></li>", escaped(&visit.state), visit.seconds)
    });
    format!(
        "<h2>{}: the way of its execution</h2>\n<div class=\"way\">{}<ol>{}</ol></div>\n",
        title(row.method),
        with_way(picture, &row.visits),
        visits.collect::<Vec<_>>().concat()
    )
}

/// The picture with the states that were entered, and the transitions between them, marked.
fn with_way(picture: &str, visits: &[Visit]) -> String {
    let entered: BTreeSet<&str> = visits.iter().map(|visit| visit.state.as_str()).collect();
    let taken: BTreeSet<(&str, &str)> = visits
        .windows(2)
        .filter_map(|pair| Some((pair.first()?.state.as_str(), pair.last()?.state.as_str())))
        .collect();
    let mut page = String::new();
    for line in picture.lines() {
        let is_taken = match (attribute(line, "data-state"), attribute(line, "data-from")) {
            (Some(state), _) => entered.contains(state),
            (None, Some(from)) => {
                let to = attribute(line, "data-to").unwrap_or_default();
                // A Map state is left after the states of its iterations.
                let is_left = line.contains("class=\"line\"");
                let is_map = picture.contains(&format!("<g class=\"Map\" data-state=\"{from}\">"));
                taken.contains(&(from, to)) || (is_map && is_left && entered.contains(to))
            }
            (None, None) => false,
        };
        let line =
            if is_taken { line.replacen("class=\"", "class=\"taken ", 1) } else { line.to_owned() };
        page.push_str(&line);
        page.push('\n');
    }
    page
}

/// The value of an attribute that a line of the picture has.
fn attribute<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.split_once(&format!(" {name}=\""))?.1.split('"').next()
}

fn marked(text: &str, is_good: bool) -> String {
    let class = if is_good { "good" } else { "bad" };
    format!("<span class=\"{class}\">{}</span>", escaped(text))
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests;
