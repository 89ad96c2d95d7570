//! Which items of an SDK crate its called operations reach.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::module::{Kind, Module, Part};
use crate::names::Names;
use crate::unused::Unused;

/// The path of a module from the root of the crate.
pub(crate) type ModulePath = Vec<String>;

/// What is kept whole for any client, beside the operations.
const CLIENT: &[&[&str]] =
    &[&["client", "customize"], &["config"], &["error"], &["meta"], &["primitives"]];
/// The items that every client has.
const TYPES: &[&[&str]] = &[&["Client"], &["Config"], &["client", "Client"], &["config", "Config"]];

/// The modules of a crate that were reached, and which of their items.
pub(crate) struct Reached<'a> {
    folder: PathBuf,
    /// What is unused of what is reached; None to keep it.
    unused: Option<&'a Unused<'a>>,
    pub(crate) modules: BTreeMap<ModulePath, Module>,
    pub(crate) kept: BTreeSet<(ModulePath, usize)>,
    /// Items whose own paths are still to be followed.
    queue: Vec<(ModulePath, usize)>,
    /// `impl`s of the modules that are not kept yet.
    pending: Vec<(ModulePath, usize)>,
}

impl<'a> Reached<'a> {
    /// What the operations reach that have one of these names, of the crate with these sources.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, or is not Rust.
    pub(crate) fn by(
        folder: PathBuf,
        names: &Names,
        unused: Option<&'a Unused<'a>>,
    ) -> Result<Self> {
        let mut reached = Self {
            folder,
            unused,
            modules: BTreeMap::new(),
            kept: BTreeSet::new(),
            queue: Vec::new(),
            pending: Vec::new(),
        };
        reached.load(&Vec::new())?;
        for path in TYPES {
            reached.reach(&Vec::new(), &owned(path))?;
        }
        for path in CLIENT {
            reached.whole(&owned(path))?;
        }
        let client = reached.modules.get(&owned(&["client"]));
        let operations = client.into_iter().flat_map(|client| &client.items);
        let operations = operations.filter(|part| matches!(part.kind, Kind::File));
        let called = operations.flat_map(|part| part.names.clone()).filter(|name| names.has(name));
        for operation in called.collect::<Vec<_>>() {
            reached.whole(&owned(&["client", &operation]))?;
        }
        reached.follow()?;
        Ok(reached)
    }

    /// Whether an operation receives, or sends, this kind of structure: `de_image`, `ser_image`.
    pub(crate) fn has_protocol(&self, kind: &str, direction: &str) -> bool {
        let path = owned(&["protocol_serde", &format!("shape_{kind}")]);
        let function = format!("{direction}_{kind}");
        self.modules.get(&path).is_some_and(|module| {
            module.named(&function).any(|(index, _)| self.kept.contains(&(path.clone(), index)))
        })
    }

    /// The kinds of structures, by the names of their files.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = &str> {
        self.modules.keys().filter_map(|path| match path.as_slice() {
            [folder, file] if folder == "types" => file.strip_prefix('_'),
            _ => None,
        })
    }

    /// Keeps all items of a module and of those in it.
    fn whole(&mut self, path: &ModulePath) -> Result<()> {
        let mut all = vec!["crate".to_owned()];
        all.extend(path.iter().cloned());
        self.reach(&Vec::new(), &all)?;
        self.load(path)?;
        let Some(module) = self.modules.get(path) else { return Ok(()) };
        let mut files = Vec::new();
        let mut items = Vec::new();
        for (index, part) in module.items.iter().enumerate() {
            match part.kind {
                Kind::File => files.extend(part.names.clone()),
                Kind::Test | Kind::Impl(_) => {}
                Kind::Export(_) | Kind::Always | Kind::Named => items.push(index),
            }
        }
        for index in items {
            self.keep(path, index);
        }
        for name in files {
            let mut inner = path.clone();
            inner.push(name);
            self.whole(&inner)?;
        }
        Ok(())
    }

    fn follow(&mut self) -> Result<()> {
        loop {
            while let Some((path, index)) = self.queue.pop() {
                let Some(part) = self.part(&path, index) else { continue };
                let mut targets = part.paths.clone();
                if let Kind::Export(exports) = &part.kind {
                    targets.extend(exports.iter().map(|(_, target)| target.clone()));
                }
                for target in targets {
                    self.reach(&path, &target)?;
                }
            }
            let ready = std::mem::take(&mut self.pending);
            let (ready, pending): (Vec<_>, Vec<_>) =
                ready.into_iter().partition(|(path, index)| self.is_ready(path, *index));
            self.pending = pending;
            if ready.is_empty() {
                return Ok(());
            }
            for (path, index) in ready {
                self.keep(&path, index);
            }
        }
    }

    /// Whether everything that the header of this `impl` names is kept.
    fn is_ready(&self, path: &ModulePath, index: usize) -> bool {
        match self.part(path, index).map(|part| &part.kind) {
            Some(Kind::Impl(header)) => header.iter().all(|named| self.is_kept(path, named)),
            _ => false,
        }
    }

    fn part(&self, path: &ModulePath, index: usize) -> Option<&Part> {
        self.modules.get(path)?.items.get(index)
    }

    /// Whether what a module names by this path is kept.
    pub(crate) fn is_kept(&self, from: &ModulePath, path: &[String]) -> bool {
        let Some((mut module, rest)) = self.start(from, path) else { return true };
        for (depth, name) in rest.iter().enumerate() {
            let Some(found) = self.modules.get(&module) else { return false };
            let kept = |(index, _): &(usize, &Part)| self.kept.contains(&(module.clone(), *index));
            let Some((_, part)) = found.named(name).find(kept) else { return false };
            let Kind::File = part.kind else { return true };
            if depth + 1 == rest.len() {
                return true;
            }
            module.push(name.clone());
        }
        true
    }

    /// Follows a path that a module names.
    fn reach(&mut self, from: &ModulePath, path: &[String]) -> Result<()> {
        let Some((mut module, rest)) = self.start(from, path) else { return Ok(()) };
        for name in rest {
            self.load(&module)?;
            let Some(found) = self.modules.get(&module) else { return Ok(()) };
            let is_file = found.named(name).any(|(_, part)| matches!(part.kind, Kind::File));
            for index in found.named(name).map(|(index, _)| index).collect::<Vec<_>>() {
                self.keep(&module, index);
            }
            if !is_file {
                return Ok(());
            }
            module.push(name.clone());
            self.load(&module)?;
        }
        Ok(())
    }

    /// The module that a path begins in, and its names from there. None for paths of other crates, and for
    /// variables.
    fn start<'p>(
        &self,
        from: &ModulePath,
        path: &'p [String],
    ) -> Option<(ModulePath, &'p [String])> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => Some((Vec::new(), rest)),
            "self" => Some((from.clone(), rest)),
            "super" => Some((from.split_last()?.1.to_vec(), rest)),
            name => {
                self.modules.get(from)?.named(name).next()?;
                Some((from.clone(), path))
            }
        }
    }

    fn keep(&mut self, path: &ModulePath, index: usize) {
        let is_test = |part: &Part| matches!(part.kind, Kind::Test);
        if self.part(path, index).is_none_or(is_test) {
            return;
        }
        if self.kept.insert((path.clone(), index)) {
            self.queue.push((path.clone(), index));
        }
    }

    /// Reads a module's file, once.
    fn load(&mut self, path: &ModulePath) -> Result<()> {
        if self.modules.contains_key(path) {
            return Ok(());
        }
        let file = self.folder.join(file(path));
        let text =
            fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
        let text = match self.unused {
            Some(unused) => unused.without(&self.folder, path, text)?,
            None => text,
        };
        let module = Module::parsed(text).with_context(|| format!("parsing {}", file.display()))?;
        let mut always = Vec::new();
        for (index, part) in module.items.iter().enumerate() {
            match &part.kind {
                Kind::Always => always.push(index),
                Kind::Impl(_) => self.pending.push((path.clone(), index)),
                Kind::Export(exports) => {
                    let own = |target: &Vec<String>| {
                        let first = target.first().map(String::as_str).unwrap_or_default();
                        matches!(first, "crate" | "self" | "super")
                            || module.items.iter().any(|part| {
                                matches!(part.kind, Kind::File)
                                    && part.names.iter().any(|name| name == first)
                            })
                    };
                    if !exports.iter().any(|(_, target)| own(target)) {
                        always.push(index);
                    }
                }
                Kind::File | Kind::Test | Kind::Named => {}
            }
        }
        self.modules.insert(path.clone(), module);
        for index in always {
            self.keep(path, index);
        }
        Ok(())
    }
}

/// The file of a module, in the folder of the sources.
pub(crate) fn file(path: &ModulePath) -> PathBuf {
    if path.is_empty() {
        return "lib.rs".into();
    }
    PathBuf::from(path.join("/")).with_extension("rs")
}

fn owned(path: &[&str]) -> Vec<String> {
    path.iter().map(|&name| name.to_owned()).collect()
}
