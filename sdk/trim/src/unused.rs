//! Leaves out of a file what the workspace does not name: members of structures, and values
//! of enums. AWS's answers may have both all the same: the SDK skips what it does not know,
//! and keeps an unknown value of an enum as text.

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::Path;

use anyhow::{Context, Result};
use quote::ToTokens;
use syn::punctuated::Pair;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{
    Arm, Expr, ExprField, ExprMethodCall, ExprStruct, Fields, ImplItem, ImplItemFn, Item, Member,
    Stmt, Type,
};

use crate::names::Names;
use crate::reach::{ModulePath, Reached};

/// The value of each enum for texts that the SDK does not know.
const UNKNOWN: &str = "Unknown";

/// The value of each operation's errors for those that it does not know.
const UNHANDLED: &str = "Unhandled";

/// Which types have unused parts.
pub(crate) struct Unused<'a> {
    names: &'a Names,
    /// The structures that are received as well as sent: what is sent back must be what was received.
    both_ways: BTreeSet<String>,
}

impl<'a> Unused<'a> {
    /// What has none of these names, of what the operations reach.
    pub(crate) fn of(reached: &Reached<'_>, names: &'a Names) -> Self {
        let is_both =
            |kind: &&str| reached.has_protocol(kind, "de") && reached.has_protocol(kind, "ser");
        Self { names, both_ways: reached.kinds().filter(is_both).map(str::to_owned).collect() }
    }

    /// The text of a module without what is unused.
    ///
    /// # Errors
    ///
    /// If it is not Rust, or a file beside it cannot be read.
    pub(crate) fn without(
        &self,
        sources: &Path,
        path: &ModulePath,
        text: String,
    ) -> Result<String> {
        let [folder, file] = path.as_slice() else { return Ok(text) };
        let kind = match folder.as_str() {
            "types" => file.strip_prefix('_'),
            "protocol_serde" => file.strip_prefix("shape_"),
            "operation" => Some(file.as_str()),
            _ => None,
        };
        let Some(kind) = kind else { return Ok(text) };
        let read = |file: String| fs::read_to_string(sources.join(file)).ok();
        let of_type = read(format!("types/_{kind}.rs")).filter(|_| folder != "operation");
        let unused = match (of_type, read(format!("operation/{kind}.rs"))) {
            (Some(definition), _) => self.parts(sources, kind, &definition)?,
            (None, Some(operation)) => self.errors(&operation)?,
            (None, None) => return Ok(text),
        };
        let mut finder = Finder { unused: &unused, cuts: Vec::new() };
        for item in &syn::parse_file(&text).with_context(|| format!("parsing {kind}"))?.items {
            finder.item(item);
        }
        Ok(cut(&text, finder.cuts))
    }

    fn parts(&self, sources: &Path, kind: &str, definition: &str) -> Result<Parts> {
        let mut unused = Parts::default();
        let items =
            syn::parse_file(definition).with_context(|| format!("parsing types/_{kind}.rs"))?.items;
        for item in &items {
            match item {
                Item::Enum(item) if item.variants.iter().all(is_text) => {
                    let values = item.variants.iter().map(|value| value.ident.to_string());
                    unused
                        .values
                        .extend(values.filter(|name| name != UNKNOWN && !self.names.has(name)));
                }
                Item::Struct(item) if item.ident.to_string().ends_with("Builder") => {}
                Item::Struct(item)
                    if self.is_plain(sources, kind, &item.ident.to_string(), definition) =>
                {
                    let members = item.fields.iter().filter_map(|field| field.ident.as_ref());
                    let members = members.map(ToString::to_string).filter(|name| {
                        let accesses = [name.clone(), format!("set_{name}"), format!("get_{name}")];
                        !accesses.iter().any(|name| self.names.has(name))
                    });
                    unused.members.extend(members);
                }
                _ => {}
            }
        }
        Ok(unused)
    }

    /// The errors of an operation that no source names. Without them the SDK keeps the code and the message
    /// of such an error all the same. Not those that the SDK itself attempts again.
    fn errors(&self, operation: &str) -> Result<Parts> {
        let mut unused = Parts::default();
        let items = syn::parse_file(operation).context("parsing an operation")?.items;
        let attempted_again = items.iter().find_map(|item| match item {
            Item::Impl(item) => {
                let methods = item.items.iter().map(|part| part.to_token_stream().to_string());
                methods.into_iter().find(|text| text.contains("retryable_error_kind"))
            }
            _ => None,
        });
        let attempted_again = attempted_again.unwrap_or_default();
        for item in &items {
            let Item::Enum(item) = item else { continue };
            let values = item.variants.iter().map(|value| value.ident.to_string());
            unused.values.extend(values.filter(|name| {
                name != UNHANDLED && !self.names.has(name) && !attempted_again.contains(name)
            }));
        }
        Ok(unused)
    }

    /// Whether members of a structure may be left out: not of those that go both ways, and not of those
    /// that an SDK reads by a schema, completes, or prints in a special way, because it names their members
    /// in other places than [`Finder`] looks.
    fn is_plain(&self, sources: &Path, kind: &str, name: &str, definition: &str) -> bool {
        let read = |file: &str| fs::read_to_string(sources.join(file)).unwrap_or_default();
        let protocol = read(&format!("protocol_serde/shape_{kind}.rs"));
        !self.both_ways.contains(kind)
            && !protocol.is_empty()
            && !definition.contains("::aws_smithy_schema::")
            && !definition.contains("impl ::std::fmt::Debug for")
            && !read("serde_util.rs").contains(&format!("::{name}Builder"))
    }
}

/// A text without these parts, of which none lies in another.
pub(crate) fn cut(text: &str, mut cuts: Vec<Range<usize>>) -> String {
    cuts.sort_by_key(|range| range.start);
    let mut left = String::new();
    let mut at = 0;
    for cut in cuts {
        left += &text[at..cut.start];
        at = cut.end;
    }
    left + &text[at..]
}

/// What is unused of one type.
#[derive(Default)]
struct Parts {
    members: BTreeSet<String>,
    values: BTreeSet<String>,
}

/// A value of an enum that is a text.
fn is_text(value: &syn::Variant) -> bool {
    matches!(value.fields, Fields::Unit) || value.ident == UNKNOWN
}

/// With the comma after it.
fn whole<T: Spanned, P: Spanned>(pair: &Pair<&T, &P>) -> Range<usize> {
    let value = pair.value().span().byte_range();
    value.start..pair.punct().map_or(value.end, |comma| comma.span().byte_range().end)
}

/// Finds what to cut.
struct Finder<'a> {
    unused: &'a Parts,
    cuts: Vec<Range<usize>>,
}

impl Finder<'_> {
    fn item(&mut self, item: &Item) {
        match item {
            Item::Struct(item) => {
                let Fields::Named(fields) = &item.fields else { return };
                for pair in fields.named.pairs() {
                    let name = pair.value().ident.as_ref().map(ToString::to_string);
                    if name.is_some_and(|name| self.unused.members.contains(&name)) {
                        self.cuts.push(whole(&pair));
                    }
                }
            }
            Item::Enum(item) => {
                for pair in item.variants.pairs() {
                    if self.unused.values.contains(&pair.value().ident.to_string()) {
                        self.cuts.push(whole(&pair));
                    }
                }
            }
            Item::Impl(item) if item.trait_.is_none() && matches!(*item.self_ty, Type::Path(_)) => {
                for part in &item.items {
                    match part {
                        ImplItem::Fn(method) if self.is_access(method) => {
                            self.cuts.push(method.span().byte_range());
                        }
                        part => self.visit_impl_item(part),
                    }
                }
            }
            item => self.visit_item(item),
        }
    }

    /// Whether a method only reads or sets an unused member, or asks for an unused value.
    fn is_access(&self, method: &ImplItemFn) -> bool {
        let name = method.sig.ident.to_string();
        let member = name.strip_prefix("set_").or_else(|| name.strip_prefix("get_"));
        let has = |name: &str| self.unused.members.contains(name);
        // `matches!(self, Self::InvalidNextToken(_))`
        let asks = || {
            let text = method.block.to_token_stream().to_string();
            self.unused.values.iter().any(|value| text.contains(&format!("Self :: {value} (_)")))
        };
        has(&name) || member.is_some_and(has) || name.starts_with("is_") && asks()
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_expr_struct(&mut self, built: &'ast ExprStruct) {
        for pair in built.fields.pairs() {
            if let Member::Named(name) = &pair.value().member
                && self.unused.members.contains(&name.to_string())
            {
                self.cuts.push(whole(&pair));
            }
        }
    }

    /// A statement that sends an unused member. Not one around it.
    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        let before = self.cuts.len();
        visit::visit_stmt(self, statement);
        let mut sends = Sends { unused: self.unused, found: false };
        sends.visit_stmt(statement);
        if self.cuts.len() == before && sends.found {
            self.cuts.push(statement.span().byte_range());
        }
    }

    /// An arm of a `match` that reads an unused member, or names an unused value. Not one around it.
    fn visit_arm(&mut self, arm: &'ast Arm) {
        let before = self.cuts.len();
        visit::visit_arm(self, arm);
        let mut uses = Uses { unused: self.unused, found: false };
        uses.visit_arm(arm);
        if self.cuts.len() == before && uses.found {
            self.cuts.push(arm.span().byte_range());
        }
    }
}

/// Whether something sets an unused member, or names an unused value.
struct Uses<'a> {
    unused: &'a Parts,
    found: bool,
}

impl<'ast> Visit<'ast> for Uses<'_> {
    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        let name = call.method.to_string();
        let member = name.strip_prefix("set_");
        self.found |= member.is_some_and(|member| self.unused.members.contains(member));
        visit::visit_expr_method_call(self, call);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let value = path.segments.last().filter(|_| path.segments.len() > 1);
        self.found |=
            value.is_some_and(|value| self.unused.values.contains(&value.ident.to_string()));
        visit::visit_path(self, path);
    }
}

/// Whether something takes an unused member from what is sent.
struct Sends<'a> {
    unused: &'a Parts,
    found: bool,
}

impl<'ast> Visit<'ast> for Sends<'_> {
    fn visit_expr_field(&mut self, field: &'ast ExprField) {
        let is_input = matches!(&*field.base, Expr::Path(base) if base.path.is_ident("input"));
        if let Member::Named(name) = &field.member {
            self.found |= is_input && self.unused.members.contains(&name.to_string());
        }
        visit::visit_expr_field(self, field);
    }
}
