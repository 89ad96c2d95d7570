//! Every name in the workspace's own sources. What an SDK crate has and none of them is, nothing uses.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use proc_macro2::{TokenStream, TokenTree};

/// Where the workspace's sources are.
const SOURCES: &[&str] = &["crates", "tests"];

/// The identifiers of the sources, of whatever they are the name.
pub(crate) struct Names(BTreeSet<String>);

impl Names {
    /// # Errors
    ///
    /// If a source cannot be read, or is not Rust.
    pub(crate) fn of(root: &Path) -> Result<Self> {
        let mut names = BTreeSet::new();
        for folder in SOURCES {
            read(&root.join(folder), &mut names)?;
        }
        Ok(Self(names))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains(name)
    }
}

fn read(folder: &Path, names: &mut BTreeSet<String>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            read(&path, names)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path)?;
            let tokens: Result<TokenStream, _> = text.parse();
            let tokens = tokens.map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
            collect(tokens, names);
        }
    }
    Ok(())
}

fn collect(tokens: TokenStream, names: &mut BTreeSet<String>) {
    for token in tokens {
        match token {
            TokenTree::Ident(name) => {
                names.insert(name.to_string());
            }
            TokenTree::Group(group) => collect(group.stream(), names),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}
