//! Tests of the page, one of them in a browser.

use std::path::PathBuf;
use std::process::Command;

use harness::paths;
use harness::stack::Difference;
use serde::Deserialize;

use super::*;

const PICTURE: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\">
<path class=\"line\" data-from=\"A\" data-to=\"M\" d=\"\"/>
<path class=\"line\" data-from=\"A\" data-to=\"Z\" d=\"\"/>
<path class=\"line\" data-from=\"M\" data-to=\"E\" d=\"\"/>
<g class=\"Task\" data-state=\"A\"><text>A</text></g>
<g class=\"Map\" data-state=\"M\"><text>M</text></g>
<g class=\"Pass\" data-state=\"X\"><text>X</text></g>
<g class=\"Succeed\" data-state=\"E\"><text>E</text></g>
<g class=\"Fail\" data-state=\"Z\"><text>Z</text></g>
</svg>
";

#[test]
fn the_way_of_an_execution_is_marked_and_no_other() {
    let page =
        with_way(PICTURE, &Row::example(Method::Stack, &["A", "M", "X", "E"], vec![]).visits);
    let taken: Vec<_> = page.lines().filter(|line| line.contains("taken ")).collect();
    let named = |line: &&str| {
        let from = attribute(line, "data-from").map(|from| format!("{from}-"));
        let to = attribute(line, "data-state").or(attribute(line, "data-to"));
        from.unwrap_or_default() + to.unwrap_or_default()
    };
    let taken: Vec<_> = taken.iter().map(named).collect();
    assert_eq!(taken, ["A-M", "M-E", "A", "M", "X", "E"]);
}

#[test]
fn the_page_shows_the_drift_beside_what_is_in_sync_and_needs_nothing_else() {
    let version = Difference {
        logical_id: "Group".into(),
        path: "/LaunchTemplate/Version".into(),
        expected: "1".into(),
        actual: "<2>".into(),
    };
    let rows = [
        Row::example(Method::Stack, &["A", "M"], vec![]),
        Row::example(Method::Naive, &[], vec![version]),
    ];
    let page = page(&rows, PICTURE);
    for part in [
        "<span class=\"good\">IN_SYNC</span>, 2 resources compared",
        "<span class=\"bad\">DRIFTED</span><br>Group<wbr>/LaunchTemplate<wbr>/Version: 1 in the template, &lt;2&gt;",
        "<li>A <span>0.50 s</span></li>",
        "prefers-color-scheme:dark",
    ] {
        assert!(page.contains(part), "no {part} in {page}");
    }
    assert_eq!(page.matches("<svg").count(), 1);
    // The only address is the name of SVG itself.
    assert_eq!(page.matches("http").count(), 1, "{page}");
    assert!(!page.contains("src=") && !page.contains("<script") && !page.contains("@import"));
}

/// What the script below finds in the page.
#[derive(Debug, Deserialize)]
struct Seen {
    dark: bool,
    errors: Vec<String>,
    overflows: bool,
    states: Vec<String>,
    /// Each text with its contrast to what is behind it.
    texts: Vec<(String, f64)>,
}

/// W3C, Web Content Accessibility Guidelines 2.2, success criterion 1.4.3.
const LEAST_CONTRAST: f64 = 4.5;

/// Measures the page as it is drawn.
const MEASURE: &str = r#"<script>
const errors = []; addEventListener('error', e => errors.push(String(e.message)));
const rgb = text => (text.match(/[\d.]+/g) || [0, 0, 0, 0]).map(Number);
const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
  .map(c => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
  .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
const contrast = (a, b) => { const [x, y] = [light(a), light(b)]; return (Math.max(x, y) + .05) / (Math.min(x, y) + .05); };
const canvas = () => { const box = document.body.appendChild(document.createElement('i'));
  box.style.color = 'Canvas'; const color = getComputedStyle(box).color; box.remove(); return rgb(color); };
const behind = node => { const shape = node.closest('g')?.querySelector(':scope>.shape');
  const fill = shape && getComputedStyle(shape).fill; return fill && fill !== 'none' ? rgb(fill) : canvas(); };
addEventListener('load', () => {
  const texts = [...document.querySelectorAll('h1,h2,p,dt,dd,li,span,g.taken>text')].filter(n => n.textContent.trim())
    .map(n => { const style = getComputedStyle(n);
      return [n.textContent.trim(), contrast(rgb(n instanceof SVGElement ? style.fill : style.color), behind(n))]; });
  const seen = { dark: matchMedia('(prefers-color-scheme:dark)').matches, errors, texts,
    overflows: document.documentElement.scrollWidth > innerWidth,
    states: [...document.querySelectorAll('g.taken')].filter(n => n.getBoundingClientRect().width).map(n => n.dataset.state) };
  document.body.insertAdjacentHTML('beforeend', '<pre id="seen"></pre>');
  document.getElementById('seen').textContent = JSON.stringify(seen);
});
</script>"#;

/// Chromium, or one of its relatives. CI must have one; a contributor's machine may have none.
fn browser() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let folders: Vec<_> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
    let found = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    let found = found.into_iter().find(|path| path.exists());
    assert!(found.is_some() || std::env::var_os("CI").is_none(), "CI has no Chromium");
    found
}

fn seen(browser: &PathBuf, page: &str, is_dark: bool, width: u32) -> Seen {
    let folder = std::env::temp_dir()
        .join(format!("driftless-page-{}-{is_dark}-{width}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("page.html");
    std::fs::write(&file, page.replace("</head>", &format!("{MEASURE}</head>"))).unwrap();
    let scheme = u8::from(!is_dark);
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--hide-scrollbars",
        ])
        .arg(format!("--user-data-dir={}", folder.join("profile").display()))
        .arg(format!("--blink-settings=preferredColorScheme={scheme}"))
        .arg(format!("--window-size={width},1000"))
        .args(["--virtual-time-budget=2000", "--dump-dom"])
        .arg(format!("file://{}", file.display()))
        .output()
        .unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let dom = String::from_utf8(output.stdout).unwrap();
    let seen = dom.rsplit_once("<pre id=\"seen\">").and_then(|(_, rest)| rest.split_once("</pre>"));
    let (seen, _) = seen.unwrap_or_else(|| {
        panic!("the page did not load: {}", String::from_utf8_lossy(&output.stderr))
    });
    let seen = seen.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    serde_json::from_str(&seen).unwrap()
}

#[test]
fn the_page_reads_well_in_a_browser_dark_and_light_wide_and_narrow() {
    let Some(browser) = browser() else {
        eprintln!("skipped: there is no Chromium");
        return;
    };
    let picture = std::fs::read_to_string(paths::root().join("docs/promote-ami.svg")).unwrap();
    let way =
        ["ResolveTags", "PromoteTargets", "ValidateAmi", "RecordTarget", "Report", "Promoted"];
    let drifted = Difference {
        logical_id: "Group".into(),
        path: "/LaunchTemplate/LaunchTemplateSpecification/Version".into(),
        expected: "1".into(),
        actual: "2".into(),
    };
    let rows = [
        Row::example(Method::Stack, &way, vec![]),
        Row::example(Method::Naive, &[], vec![drifted]),
    ];
    let page = page(&rows, &picture);
    for (is_dark, width) in [(false, 1200), (true, 1200), (false, 500), (true, 500)] {
        let seen = seen(&browser, &page, is_dark, width);
        assert_eq!(seen.dark, is_dark);
        assert!(seen.errors.is_empty(), "{:?}", seen.errors);
        assert!(!seen.overflows, "the page is wider than {width}");
        for state in way {
            assert!(seen.states.iter().any(|shown| shown == state), "{state} is not shown");
        }
        assert!(seen.texts.len() > 30, "{} texts", seen.texts.len());
        let faint: Vec<_> = seen.texts.iter().filter(|(_, c)| *c < LEAST_CONTRAST).collect();
        assert!(faint.is_empty(), "dark: {is_dark}: {faint:?}");
    }
}
