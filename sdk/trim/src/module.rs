//! One source file of a generated SDK crate, as its items and what they refer to. Generated code names
//! everything by its full path, so that the tokens alone tell what an item needs.

use std::ops::Range;

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Item, UseTree};

/// The methods that add a type to those that an SDK can read without knowing the operation.
const REGISTERS: &[&str] = &["insert_shape", "insert_error_shape"];

/// A file.
pub(crate) struct Module {
    pub(crate) text: String,
    pub(crate) items: Vec<Part>,
}

/// An item of a file.
pub(crate) struct Part {
    /// Its bytes in the file, with attributes.
    pub(crate) bytes: Range<usize>,
    /// What it defines.
    pub(crate) names: Vec<String>,
    pub(crate) kind: Kind,
    /// The paths in it.
    pub(crate) paths: Vec<Vec<String>>,
    /// Calls in it that only register a type, each with the type's path.
    pub(crate) registrations: Vec<(Range<usize>, Vec<String>)>,
}

/// What decides whether an item is kept.
pub(crate) enum Kind {
    /// `mod name;`
    File,
    /// `pub use`: kept if something reaches what it exports. With its path, by the name it gives.
    Export(Vec<(String, Vec<String>)>),
    /// Kept with the file: imports, macros, exports of other crates.
    Always,
    /// Only compiled for tests.
    Test,
    /// `impl`: kept if everything is kept that these paths of its header name.
    Impl(Vec<Vec<String>>),
    /// Kept if something reaches it.
    Named,
}

impl Module {
    /// # Errors
    ///
    /// If it is not Rust.
    pub(crate) fn parsed(text: String) -> syn::Result<Self> {
        let items = syn::parse_file(&text)?.items.iter().map(Part::of).collect();
        Ok(Self { text, items })
    }

    /// The items with this name, and which of the file's they are.
    pub(crate) fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (usize, &'a Part)> {
        let has = move |part: &Part| part.names.iter().any(|own| own == name);
        self.items.iter().enumerate().filter(move |(_, part)| has(part))
    }
}

impl Part {
    fn of(item: &Item) -> Self {
        let (names, kind) = if is_test(item) { (Vec::new(), Kind::Test) } else { named(item) };
        let mut registrations = Vec::new();
        if matches!(item, Item::Static(_) | Item::Mod(_)) {
            registered(item.to_token_stream(), &mut registrations);
        }
        let bytes = item.span().byte_range();
        Self { bytes, names, kind, paths: paths(item.to_token_stream()), registrations }
    }
}

fn named(item: &Item) -> (Vec<String>, Kind) {
    let named = |name: &syn::Ident| (vec![name.to_string()], Kind::Named);
    match item {
        Item::Const(item) => named(&item.ident),
        Item::Enum(item) => named(&item.ident),
        Item::Fn(item) => named(&item.sig.ident),
        Item::Static(item) => named(&item.ident),
        Item::Struct(item) => named(&item.ident),
        Item::Trait(item) => named(&item.ident),
        Item::Type(item) => named(&item.ident),
        Item::Mod(item) if item.content.is_some() => named(&item.ident),
        Item::Mod(item) => (vec![item.ident.to_string()], Kind::File),
        Item::Impl(item) => {
            let mut header = item.generics.to_token_stream();
            if let Some((implemented, _)) = &item.trait_ {
                header.extend(implemented.to_token_stream());
            }
            header.extend(item.self_ty.to_token_stream());
            (Vec::new(), Kind::Impl(paths(header)))
        }
        Item::Use(item) => {
            let mut exports = Vec::new();
            exported(&item.tree, &mut Vec::new(), &mut exports);
            let own =
                !matches!(item.vis, syn::Visibility::Inherited) && item.leading_colon.is_none();
            if own && exports.iter().all(|(name, _)| name != "*") {
                (exports.iter().map(|(name, _)| name.clone()).collect(), Kind::Export(exports))
            } else {
                (exports.into_iter().map(|(name, _)| name).collect(), Kind::Always)
            }
        }
        _ => (Vec::new(), Kind::Always),
    }
}

fn exported(tree: &UseTree, path: &mut Vec<String>, exports: &mut Vec<(String, Vec<String>)>) {
    match tree {
        UseTree::Path(part) => {
            path.push(part.ident.to_string());
            exported(&part.tree, path, exports);
            path.pop();
        }
        UseTree::Name(name) => {
            let whole = path.iter().cloned().chain([name.ident.to_string()]).collect();
            exports.push((name.ident.to_string(), whole));
        }
        UseTree::Rename(name) => {
            let whole = path.iter().cloned().chain([name.ident.to_string()]).collect();
            exports.push((name.rename.to_string(), whole));
        }
        UseTree::Glob(_) => exports.push(("*".to_owned(), path.clone())),
        UseTree::Group(group) => {
            for tree in &group.items {
                exported(tree, path, exports);
            }
        }
    }
}

fn is_test(item: &Item) -> bool {
    let attributes = match item {
        Item::Mod(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        _ => return false,
    };
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.meta.require_list().is_ok_and(|list| list.tokens.to_string() == "test")
    })
}

/// The paths in these tokens: `crate :: types :: Image` of `Option<crate::types::Image>`. Not those of
/// other crates, which begin with `::`, and not fields and methods.
fn paths(tokens: TokenStream) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    collect(tokens, &mut found);
    found.sort();
    found.dedup();
    found
}

fn collect(tokens: TokenStream, found: &mut Vec<Vec<String>>) {
    let mut path: Vec<String> = Vec::new();
    // Whether the path is another crate's, or a field.
    let mut foreign = false;
    // The punctuation since the last identifier.
    let mut between = String::new();
    for token in tokens {
        match token {
            TokenTree::Ident(name) => {
                if between == "::" && (!path.is_empty() || foreign) {
                    path.push(name.to_string());
                } else {
                    finish(&mut path, foreign, found);
                    foreign = between.ends_with("::") || between == ".";
                    path.push(name.to_string());
                }
                between.clear();
            }
            TokenTree::Punct(mark) => {
                between.push(mark.as_char());
            }
            TokenTree::Group(group) => {
                let registers = path.last().is_some_and(|name| REGISTERS.contains(&name.as_str()));
                finish(&mut path, foreign, found);
                between.clear();
                if !registers {
                    collect(group.stream(), found);
                }
            }
            TokenTree::Literal(_) => {
                finish(&mut path, foreign, found);
                between.clear();
            }
        }
    }
    finish(&mut path, foreign, found);
}

fn finish(path: &mut Vec<String>, foreign: bool, found: &mut Vec<Vec<String>>) {
    let path = std::mem::take(path);
    if !path.is_empty() && !foreign {
        found.push(path);
    }
}

/// Finds `.insert_shape(crate::types::Image::SCHEMA, …)`.
fn registered(tokens: TokenStream, found: &mut Vec<(Range<usize>, Vec<String>)>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (index, token) in tokens.iter().enumerate() {
        let TokenTree::Group(group) = token else { continue };
        let before = index.checked_sub(2).and_then(|first| tokens.get(first..index));
        match before {
            Some([TokenTree::Punct(dot), TokenTree::Ident(name)])
                if REGISTERS.iter().any(|method| name == method) =>
            {
                let bytes = dot.span().byte_range().start..group.span().byte_range().end;
                let first = paths(group.stream())
                    .into_iter()
                    .find(|path| path.ends_with(&["SCHEMA".to_owned()]));
                found.extend(first.map(|path| (bytes, path)));
            }
            _ => registered(group.stream(), found),
        }
    }
}
