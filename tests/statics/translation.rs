//! The README in Japanese has the commands, names, links and figures of the English one.

use crate::papers::{lines, link_targets, without_comment};
use crate::{none, text};

const ENGLISH: &str = "README.md";
const JAPANESE: &str = "README.ja.md";

/// A heading, and everything up to the next one.
#[derive(Default)]
struct Section {
    heading: String,
    /// All lines outside of code blocks.
    prose: String,
    /// The lines of code blocks, a shell's without comments.
    code: Vec<String>,
}

fn sections(paper: &str) -> Vec<Section> {
    let text = text(paper);
    let mut sections: Vec<Section> = Vec::new();
    for (language, line) in lines(&text) {
        if language.is_none() && line.starts_with('#') {
            sections.push(Section { heading: line.to_owned(), ..Section::default() });
        }
        let section = sections.last_mut().expect("a title");
        match language {
            None => section.prose.extend([line, "\n"]),
            Some("sh") => section.code.push(without_comment(line).to_owned()),
            Some(_) => section.code.push(line.to_owned()),
        }
    }
    sections
}

/// A cell of a table, without words.
fn figure(cell: &str) -> &str {
    if cell.contains(char::is_alphabetic) { "…" } else { cell.trim() }
}

impl Section {
    /// What a translation keeps.
    fn facts(&self) -> Vec<String> {
        let level = self.heading.split_whitespace().next().unwrap_or_default();
        let code = self.code.iter().enumerate();
        let code = code.map(|(index, line)| format!("line {} of code: {line}", index + 1));
        let names = self.prose.split('`').skip(1).step_by(2).map(|name| format!("`{name}`"));
        let links = link_targets(&self.prose);
        let links = links.filter(|target| ![ENGLISH, JAPANESE].contains(target));
        let links = links.map(|target| format!("link to {target}"));
        let rows = self.prose.lines().filter(|line| line.starts_with('|')).enumerate();
        let rows = rows.map(|(index, row)| {
            let cells: Vec<_> = row.split('|').map(figure).collect();
            format!("row {} of tables: {}", index + 1, cells.join("|"))
        });
        let heading = [format!("heading with {level}")].into_iter();
        heading.chain(code).chain(names).chain(links).chain(rows).collect()
    }

    /// What the other has and this one lacks, each as often as it is missing.
    fn lacks(&self, paper: &str, other: &Self) -> Vec<String> {
        let mut own = self.facts();
        let is_missing = |fact: &String| {
            let found = own.iter().position(|one| one == fact);
            found.map(|index| own.swap_remove(index)).is_none()
        };
        let missing = other.facts().into_iter().filter(is_missing);
        missing.map(|fact| format!("{paper}, {:?} has no {fact}", self.heading)).collect()
    }
}

#[test]
fn what_one_readme_has_the_other_has_too() {
    let (english, japanese) = (sections(ENGLISH), sections(JAPANESE));
    assert_eq!(english.len(), japanese.len(), "the number of headings");
    none(english.iter().zip(&japanese).flat_map(|(english, japanese)| {
        [japanese.lacks(JAPANESE, english), english.lacks(ENGLISH, japanese)].concat()
    }));
}

#[test]
fn each_readme_leads_to_the_other() {
    for (paper, other) in [(ENGLISH, JAPANESE), (JAPANESE, ENGLISH)] {
        let text = text(paper);
        let below_the_title = text.lines().nth(2).unwrap_or_default();
        assert!(below_the_title.ends_with(&format!("]({other})")), "{paper}: {below_the_title}");
    }
}
